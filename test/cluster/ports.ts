import type { Machine } from './machines.ts';

/** Longer than any answer on these links; a port that drops what comes costs this much. */
const PATIENCE_S = 2;

/** Those of the TCP ports that `from` can connect to. */
export async function openPorts(from: Machine, address: string, ports: readonly number[]): Promise<number[]> {
  const tries = ports.map(async (port) => {
    const connect = ['timeout', `${PATIENCE_S}`, 'bash', '-c', `exec 3<>/dev/tcp/${address}/${port}`];
    return { port, open: (await from.exec(connect)).code === 0 };
  });
  return (await Promise.all(tries)).filter(({ open }) => open).map(({ port }) => port);
}
