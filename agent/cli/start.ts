import { startCluster } from '../cluster.ts';
import { runDaemon } from '../daemon.ts';
import { processes } from '../host.ts';
import { createLog } from '../log.ts';
import { serviceManager } from '../systemd.ts';
import { VERSION } from '../version.ts';
import type { Context, Options } from './context.ts';

/** Ends, in order, when the process is told to. */
export async function start(
  { environment, paths, print }: Context,
  { json = false }: Options,
): Promise<void> {
  const stop = processes.stopSignal();
  const log = createLog({ write: (line) => print('stderr', line), format: json ? 'json' : 'text' });
  log.info('starting', { version: VERSION, pid: processes.self().pid });
  const cluster = startCluster({ paths, environment, log, stop });
  await runDaemon({ paths, environment, log, manager: serviceManager(environment), stop, cluster });
}
