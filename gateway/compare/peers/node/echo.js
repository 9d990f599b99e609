// An echo server on Node.js: one thread, as every Node.js server is.
'use strict';
const net = require('node:net');

const colon = (process.argv[2] || '').lastIndexOf(':');
if (colon < 0) {
  console.error('usage: node echo.js HOST:PORT');
  process.exit(2);
}
const server = net.createServer({ noDelay: true }, (sock) => {
  sock.on('data', (d) => sock.write(d));
  sock.on('error', () => {}); // 'close' follows
});
const host = process.argv[2].slice(0, colon);
const wanted = Number(process.argv[2].slice(colon + 1));
server.listen({ host, port: wanted, backlog: 4096 }, () => {
  const { address, port } = server.address();
  console.log(`listening ${address}:${port}`);
});
