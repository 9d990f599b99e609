// Writes MiB megabytes as fast as back-pressure allows, half-closes, and checks that every byte comes back in order.
'use strict';
const net = require('net');
const crypto = require('crypto');
const [port, mib] = process.argv.slice(2).map(Number);
const sent = crypto.createHash('sha256'), got = crypto.createHash('sha256');
const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
let left = mib, drains = 0;

function write() {
  while (left > 0) {
    const chunk = crypto.randomBytes(1 << 20);
    sent.update(chunk);
    left--;
    if (!client.write(chunk)) return client.once('drain', () => { drains++; write(); });
  }
  client.end();
}
client.on('connect', write);
client.on('data', (data) => got.update(data));
client.on('end', () => {
  console.log(`identical=${sent.digest('hex') === got.digest('hex')} drained=${drains > 0} read=${client.bytesRead}`);
});
