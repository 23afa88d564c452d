// Runs in a network namespace of its own: takes DNS messages at port 53 of 127.0.0.1 to 127.0.0.3 and hands them, as
// lines of JSON, to the test, which answers them; runs programs there when the test asks for it.
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

const waiting = new Map();
let next = 0;

function tell(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function ask(server, transport, query, reply) {
  const id = next++;
  waiting.set(id, reply);
  tell({ id, server, transport, query: query.toString('hex') });
}

async function listen(server) {
  const udp = createSocket('udp4');
  udp.on('message', (query, from) => {
    ask(server, 'udp', query, (reply) => udp.send(reply, from.port, from.address));
  });
  await new Promise((done) => udp.bind(53, server, done));
  const tcp = createServer((socket) => {
    let buffer = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      buffer = Buffer.concat([buffer, data]);
      while (buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE(0)) {
        const end = 2 + buffer.readUInt16BE(0);
        ask(server, 'tcp', buffer.subarray(2, end), (reply) => {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          socket.write(Buffer.concat([length, reply]));
        });
        buffer = buffer.subarray(end);
      }
    });
  });
  await new Promise((done) => tcp.listen(53, server, done));
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const message = JSON.parse(line);
    if (message.run !== undefined) {
      const child = spawn(message.run[0], message.run.slice(1));
      const chunks = [];
      child.stdout.on('data', (data) => chunks.push(data));
      child.stderr.on('data', (data) => chunks.push(data));
      child.on('close', (status) => tell({ status, stdout: Buffer.concat(chunks).toString() }));
      return;
    }
    const reply = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.reply !== null) reply(Buffer.from(message.reply, 'hex'));
  })
  .on('close', () => process.exit(0));

for (const server of ['127.0.0.1', '127.0.0.2', '127.0.0.3']) await listen(server);
tell({ ready: true });
