import * as path from 'node:path';
import type { MachineProcess } from '../machines.ts';

const ENGINES = ['serf', 'etcd', 'wireguard-go'];
const AGENT = '/usr/local/bin/node-agent';

/** The agent, its engines and its roles among what `ps -eo pid=,args=` shows; a role by its command. Pure. */
export function processesIn(listing: string): MachineProcess[] {
  return listing.split('\n').flatMap((line) => {
    const [pid, ...argv] = line.trim().split(/\s+/);
    const program = argv[0] ?? '';
    const name =
      program === AGENT ? (argv[1] === 'start' ? 'node-agent' : (argv[1] ?? '')) : path.basename(program);
    return program === AGENT || ENGINES.includes(name) ? [{ pid: Number(pid), name, argv }] : [];
  });
}
