import { PINNED_NODE } from './agent-bundle.ts';
import type { Machine } from './machines.ts';

/** `silent`: what is sent there is dropped. `closed`: the machine says that nobody listens. */
export type PortState = 'open' | 'closed' | 'silent';

/** Many times what an answer takes on these links, on a machine with a lot to do. */
const PATIENCE_MS = 5_000;

/** How TCP ports answer to `from`, all asked at once. */
export async function portStates(
  from: Machine,
  address: string,
  ports: readonly number[],
): Promise<Record<number, PortState>> {
  const script = `
    const net = require('node:net');
    const ask = (port) => new Promise((resolve) => {
      const socket = net.connect({ host: ${JSON.stringify(address)}, port });
      const end = (state) => { socket.destroy(); resolve([port, state]); };
      socket.once('connect', () => end('open'));
      socket.once('error', ({ code }) => end(code === 'ECONNREFUSED' ? 'closed' : 'silent'));
      socket.setTimeout(${PATIENCE_MS}, () => end('silent'));
    });
    Promise.all(${JSON.stringify(ports)}.map(ask)).then((all) =>
      process.stdout.write(JSON.stringify(Object.fromEntries(all))));`;
  const said = await from.must([PINNED_NODE, '--eval', script]);
  return JSON.parse(said) as Record<number, PortState>;
}
