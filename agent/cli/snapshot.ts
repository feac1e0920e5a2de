import * as path from 'node:path';
import { AgentError } from '../errors.ts';
import { fileStream, files } from '../host.ts';
import type { SnapshotView } from '../operations/operations.ts';
import { askAgent, type Context, type Options, orderAgent, printResult } from './context.ts';
import { table } from './table.ts';

/** A large database takes minutes. */
const LONG_MS = 300_000;

/**
 * The agent takes it into its own folder, the only one in which it may write; we copy it from there.
 *
 * @throws AgentError `snapshot.exists`, and as {@link order}
 */
export async function snapshotSave(
  context: Context,
  options: Options,
  [name = '']: readonly string[],
): Promise<void> {
  const to = path.resolve(name);
  if ((await files.look(to)) !== undefined) {
    throw new AgentError({
      code: 'snapshot.exists',
      exit: 'refused',
      message: `${to} exists, and nothing is overwritten`,
      fix: 'name a new file: node-agent snapshot save FILE',
    });
  }
  const taken = await orderAgent<SnapshotView>(context, '/v1/snapshots', {}, LONG_MS);
  await fileStream.copyDurable(taken.file, to);
  printResult(
    context,
    options,
    { ...taken, file: to },
    ({ file, bytes }) => `saved the cluster's data to ${file} (${bytes} bytes)
It holds everything that is in etcd, secrets too. To begin again from it: node-agent recover --from-snapshot FILE`,
  );
}

export async function snapshotList(context: Context, options: Options): Promise<void> {
  const document = await askAgent<{ snapshots: readonly SnapshotView[] }>(context, '/v1/snapshots');
  printResult(context, options, document, ({ snapshots }) =>
    snapshots.length === 0
      ? 'no snapshots on this node: three nodes take one each hour'
      : table(
          ['TAKEN', 'BYTES', 'FILE'],
          snapshots.map(({ takenAt, bytes, file }) => [takenAt, String(bytes), file]),
        ).join('\n'),
  );
}
