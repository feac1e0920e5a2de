/** Another program on the machine that has ports: `tcp/7946 udp/51820`, on every address, until it is ended. */
import * as dgram from 'node:dgram';
import * as net from 'node:net';

for (const word of process.argv.slice(2)) {
  const [protocol, port] = word.split('/');
  if (protocol === 'tcp') net.createServer().listen({ port: Number(port), host: '0.0.0.0' });
  else dgram.createSocket('udp4').bind(Number(port), '0.0.0.0');
}
