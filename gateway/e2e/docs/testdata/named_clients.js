// Three named connections at once, on Node's own net: what the gateway must serve as a Node.js server would.
'use strict';
const net = require('net');
const port = Number(process.argv[2]);
const say = (name, event, detail = '') => console.log([name, event, detail].join(' ').trim());

function connect(name, text) {
  const client = net.connect({ port, host: '127.0.0.1' }, () => {
    say(name, 'connect', client.remoteAddress === '127.0.0.1' && client.remotePort === port ? 'as asked' : 'elsewhere');
    client.setTimeout(200);
    client.setEncoding('utf8');
  });
  let got = '';
  client.on('data', (data) => { got += data; });
  client.on('timeout', () => { say(name, 'timeout', JSON.stringify(got)); client.end(); });
  client.on('end', () => say(name, 'end'));
  client.on('error', (err) => say(name, 'error', err.code));
  client.on('close', (hadError) => say(name, 'close', `hadError=${hadError} read=${client.bytesRead} written=${client.bytesWritten}`));
  client.write(text);
}

connect('Dwarves', 'More Axes');
connect('Elves', 'More Arrows');
connect('Hobbits', 'Más hierba €');
