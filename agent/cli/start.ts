import { startCluster } from '../cluster/cluster.ts';
import { AGAIN, runDaemon } from '../daemon.ts';
import { clock, processes } from '../host.ts';
import { createLog } from '../log.ts';
import { finishReset } from '../reset.ts';
import { serviceManager } from '../systemd.ts';
import { VERSION } from '../version.ts';
import type { Context, Options } from './context.ts';

/** Ends, in order, when the process is told to. A node that is reset or comes back begins anew in here. */
export async function start(
  { environment, paths, print }: Context,
  { json = false }: Options,
): Promise<void> {
  const stop = processes.stopSignal();
  const log = createLog({ write: (line) => print('stderr', line), format: json ? 'json' : 'text' });
  const manager = serviceManager(environment);
  log.info('starting', { version: VERSION, pid: processes.self().pid });
  while (!stop.aborted) {
    const alive = clock.every(manager.watchdogMs ?? 60_000, () => void manager.notify('WATCHDOG=1'));
    await finishReset({ paths, environment, log });
    alive();
    const round = new AbortController();
    const end = AbortSignal.any([stop, round.signal]);
    const again = () => round.abort(AGAIN);
    const cluster = await startCluster({ paths, environment, log, manager, stop: end, again });
    await runDaemon({ paths, environment, log, manager, stop: end, cluster });
  }
}
