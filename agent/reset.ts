import { unitsFor } from './engine/choose-units.ts';
import type { Log } from './log.ts';
import { createMesh } from './mesh/mesh.ts';
import { isResetRequested, performReset } from './operations/reset.ts';
import type { Environment, Paths } from './paths.ts';
import { WORKLOADS } from './workloads/workloads.ts';

const STOP_MS = 10_000;

interface ResetInputs {
  readonly paths: Paths;
  readonly environment: Environment;
  readonly log: Log;
}

/**
 * If this node was told to forget everything, do that now, before anything is read: also when a power cut
 * interrupted it.
 *
 * @throws AgentError when engines cannot be stopped or the state cannot be removed; the next start goes on there
 */
export async function finishReset({ paths, environment, log }: ResetInputs): Promise<void> {
  if (!(await isResetRequested(paths))) return;
  const units = unitsFor(paths, environment);
  const mesh = createMesh({ paths, units });
  await performReset(
    paths,
    {
      // Asked for while the cluster could still be talked to, see `createDeparture`.
      leave: async () => {},
      'stop-engines': async () => {
        await Promise.all(WORKLOADS.map(({ name }) => units.stop(`role-${name}`, STOP_MS)));
        await Promise.all((['etcd', 'serf'] as const).map((name) => units.stop(name, STOP_MS)));
      },
      'tear-down-mesh': () => mesh.tearDown(),
    },
    log,
  );
  log.info('this node has forgotten everything');
}
