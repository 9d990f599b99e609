// A Node.js server that answers "Sending: " and what it got, times out after 200 ms, and splits a character over two packets:
// what `ctl dial` must be a client of.
'use strict';
const net = require('net');
const server = net.createServer((client) => {
  client.setNoDelay(true);
  client.setTimeout(200);
  client.on('data', (data) => {
    const answer = Buffer.from('Sending: ' + data + ' €');
    client.write(answer.subarray(0, answer.length - 1)); // the euro sign's last byte comes later
    setTimeout(() => client.write(answer.subarray(answer.length - 1)), 50);
  });
  client.on('timeout', () => client.end());
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume();
