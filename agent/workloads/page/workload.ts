import type { Workload } from '../workload.ts';
import { askPage } from './health.ts';

const PORT = 80;

/** The cluster's status as a web page at 10.42.255.1, wherever the role is. */
export const page: Workload = {
  name: 'page',
  serviceAddress: 1,
  units: ({ selfArgv: [program, ...rest], address = '', paths, leaseFile, fence }) => [
    {
      name: 'role-page',
      argv: [
        program,
        ...rest,
        'page',
        ...['--address', address],
        ...['--port', String(PORT)],
        ...['--socket', paths.statusSocket],
        ...['--lease', leaseFile],
      ],
      configDigest: fence,
    },
  ],
  // An emulated machine with a lot to do takes more than the usual time to start a program of this size.
  startMs: 30_000,
  health: ({ address = '' }) => askPage(address, PORT),
};
