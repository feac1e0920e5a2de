import type { TestContext } from 'node:test';
import { transcribe } from '../transcript.ts';
import { createQemuCluster, type QemuCluster, type QemuOptions } from './cluster.ts';

/** One scenario on virtual machines of its own, which are gone afterwards. A failure prints the transcript. */
export async function withMachines(
  t: TestContext,
  options: QemuOptions,
  scenario: (cluster: QemuCluster) => Promise<void>,
): Promise<void> {
  const cluster = await createQemuCluster(options);
  try {
    await scenario(cluster);
  } catch (error) {
    await transcribe(cluster, t.fullName).then(
      (page) => process.stderr.write(page),
      (reason: unknown) => process.stderr.write(`no transcript: ${String(reason)}\n`),
    );
    throw error;
  } finally {
    await cluster.dispose();
  }
}
