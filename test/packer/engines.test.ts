/** `npm run test:packer`: Packer builds for real, in QEMU: a quarter of an hour under emulation. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { after, test } from 'node:test';
import { openCache } from '../../build/cache.ts';
import { readHostFacts } from '../../build/definition/host-facts.ts';
import { loadDefinition } from '../../build/definition/load.ts';
import { makePlan } from '../../build/definition/make-plan.ts';
import { probeAccelerator } from '../../build/doctor/kvm.ts';
import { files } from '../../build/host.ts';
import { buildImage } from '../../build/pipeline.ts';
import { silentProgress } from '../../build/progress.ts';
import { buildWithPacker } from '../../build/render/engine.ts';
import { packagesTree } from '../../build/rootfs/packages.ts';
import { differences, openRoot, unmanaged } from './compare.ts';

const work = await files.makeWorkFolder(tmpdir(), 'cospacker');
after(() => files.remove(work));
const { signal } = new AbortController();

test('both engines give the same packages and the same managed files', async (t) => {
  const [definition, host, cache] = await Promise.all([
    loadDefinition('examples/minimal.yaml'),
    readHostFacts(),
    openCache(),
  ]);
  const plan = makePlan(definition, host, { target: 'qcow2', base: 'debian-13' });
  const { accel } = await probeAccelerator();
  const direct = await openRoot((await packagesTree(plan, { cache, signal })).tar);
  const packer = await openRoot(
    (
      await buildWithPacker(plan, {
        cache,
        signal,
        accel,
        makeImage: (base) => buildImage(base, { cache, output: work, signal, progress: silentProgress }),
        onProgress: (step) => t.diagnostic(step),
      })
    ).tar,
  );
  try {
    assert.deepEqual(packer.packages, direct.packages);
    assert.deepEqual(await unmanaged(packer.tree, plan), []);
    for (const line of await differences(direct.tree, packer.tree)) t.diagnostic(line);
  } finally {
    await direct.close();
    await packer.close();
  }
});
