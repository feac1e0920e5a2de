import type { TestContext } from 'node:test';
import { told } from '../transcript.ts';
import { createQemuCluster, type QemuCluster, type QemuOptions } from './cluster.ts';

/** One scenario on virtual machines of its own, which are gone afterwards. A failure prints the transcript. */
export async function withMachines(
  t: TestContext,
  options: QemuOptions,
  scenario: (cluster: QemuCluster) => Promise<void>,
): Promise<void> {
  const cluster = await createQemuCluster(options);
  try {
    await told(t, cluster, () => scenario(cluster));
  } finally {
    await cluster.dispose();
  }
}
