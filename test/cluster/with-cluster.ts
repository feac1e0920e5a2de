import { existsSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import type { TestContext } from 'node:test';
import { clock } from '../../build/host.ts';
import {
  createNamespaceCluster,
  type NamespaceCluster,
  type NamespaceOptions,
} from './namespaces/cluster.ts';
import { transcribe } from './transcript.ts';

/**
 * One scenario on hosts of its own, which are gone afterwards however it ends. A failure prints the transcript,
 * as does the end of a test's time. With `CLUSTEROS_KEEP_RIG=1` the hosts stay until a file is removed.
 */
export async function withCluster(
  t: TestContext,
  options: NamespaceOptions,
  scenario: (cluster: NamespaceCluster) => Promise<void>,
): Promise<void> {
  if (process.getuid?.() !== 0) {
    t.skip('network namespaces need root');
    return;
  }
  const cluster = await createNamespaceCluster(options);
  let ended = false;
  const show = async () => {
    ended = true;
    await transcribe(cluster, t.fullName).then(
      (page) => process.stderr.write(page),
      (error: unknown) => process.stderr.write(`no transcript: ${String(error)}\n`),
    );
  };
  // For a test that was ended from outside while its scenario still waits.
  t.after(async () => {
    if (!ended) await show();
    await cluster.dispose();
  });
  try {
    await scenario(cluster);
    ended = true;
  } catch (error) {
    await show();
    throw error;
  } finally {
    if (process.env.CLUSTEROS_KEEP_RIG === '1') await keep(cluster);
    await cluster.dispose();
  }
}

async function keep(cluster: NamespaceCluster): Promise<void> {
  const file = path.join(cluster.rig.folder, 'keep');
  writeFileSync(file, 'remove this file to go on\n');
  const commands = cluster.machines
    .filter(({ on }) => on)
    .map(
      ({ name, init }) =>
        `  ${name}: nsenter --target=${init} --mount --uts --net --pid -- env PATH=${cluster.rig.folder}/bin:$PATH bash`,
    );
  process.stderr.write(`the rig is kept; to go on: rm ${file}\n${commands.join('\n')}\n`);
  while (existsSync(file)) await clock.pause(500);
}
