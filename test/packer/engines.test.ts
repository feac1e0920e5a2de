/**
 * `npm run test:packer`: Packer builds for real, in QEMU: ten minutes under emulation. The root file system that comes
 * out stays in the cache, as with `image --engine=packer`.
 */
import assert from 'node:assert/strict';
import { globSync, mkdirSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { applyOverlay } from '../../build/assemble/tree/overlay.ts';
import { cacheFolderOf, openCache } from '../../build/cache.ts';
import { readHostFacts } from '../../build/definition/host-facts.ts';
import { loadDefinition } from '../../build/definition/load.ts';
import { makePlan } from '../../build/definition/make-plan.ts';
import { rootFileSystem } from '../../build/engines.ts';
import { files, run } from '../../build/host.ts';
import { buildImage } from '../../build/pipeline.ts';
import { silentProgress } from '../../build/progress.ts';
import { cli } from '../images.ts';
import { startCommand } from '../running.ts';
import { assertCacheWhole, assertNothingRuns, assertOutputWhole, processesIn } from '../traces.ts';
import { differences, openRoot, unmanaged } from './compare.ts';

const work = await files.makeWorkFolder(tmpdir(), 'cospacker');
after(() => files.remove(work));
const { signal } = new AbortController();

/**
 * What may differ when all else is the same: account numbers, given in the order of installation, and what depends on
 * them; records of how packages came; and files of this kernel's next boot.
 */
const MAY_DIFFER = [
  /^! etc\/(passwd|shadow|group|gshadow): bytes$/,
  /^! (usr\/bin\/ssh-agent|var\/lib\/etcd): \w+ \d+ \d+:\d+, \w+ \d+ \d+:\d+$/,
  /^! var\/lib\/dpkg\/info\/[\w.+:-]+\.list: bytes$/,
  /^! var\/lib\/apt\/extended_states: bytes$/,
  /^! boot\/initrd\.img-[\w.+-]+: bytes$/,
  /^< (initrd\.img|vmlinuz)\.old$/,
  // Of the base image's own; the assembly writes another over them. A disk's fstab is not exported.
  /^> etc\/(clusteros\/image\.json|apt\/sources\.list\.d\/clusteros\.sources)$/,
  /^< etc\/fstab$/,
  // Empty, and made again when they are needed.
  /^< (etc\/\.pwd\.lock|run\/lock|run\/lock\/subsys|var\/cache\/apt\/archives\/partial|var\/lib\/apt\/lists\/(partial|lock))$/,
] as const;

test('both engines give the same packages, the same managed files, and the same of all else but for a few records', async (t) => {
  const [definition, host, cache] = await Promise.all([
    loadDefinition('examples/minimal.yaml'),
    readHostFacts(),
    openCache(),
  ]);
  const plan = makePlan(definition, host, { target: 'qcow2', base: 'debian-13' });
  const makeImage = (base: typeof plan) =>
    buildImage(base, { cache, output: work, signal, progress: silentProgress });
  const treeOf = async (engine: 'direct' | 'packer') =>
    await rootFileSystem(plan, { engine, cache, signal, makeImage }, (step) => t.diagnostic(step));
  const direct = await openRoot((await treeOf('direct')).tar);
  const packer = await openRoot((await treeOf('packer')).tar);
  try {
    assert.deepEqual(packer.packages, direct.packages);
    assert.deepEqual(await unmanaged(packer.tree, plan), []);
    // As the assembly has it, before the files that depend on the medium.
    const assembled = [direct, packer].map(({ tree }) =>
      applyOverlay(tree, { ...plan, removes: [...plan.removes, '/etc/apt/sources.list'], programs: [] }, 0),
    );
    const [one = new Map(), other = new Map()] = assembled;
    const found = await differences(one, other);
    for (const line of found) t.diagnostic(line);
    assert.deepEqual(
      found.filter((line) => !MAY_DIFFER.some((pattern) => pattern.test(line))),
      [],
    );
  } finally {
    await direct.close();
    await packer.close();
  }
});

for (const [how, exit] of [
  ['SIGINT', 130],
  ['SIGKILL', 'SIGKILL'],
] as const) {
  test(`image --engine=packer that is ended by ${how} while the machine runs leaves no process and nothing half-made`, async () => {
    const folder = path.join(work, how);
    const cache = path.join(folder, 'cache');
    const output = path.join(folder, 'out');
    mkdirSync(cache, { recursive: true });
    // What is kept but for the packages: so it starts soon.
    for (const kind of ['debs', 'agent', 'kvm.json'])
      await run(['cp', '-r', path.join(cacheFolderOf(), kind), path.join(cache, kind)]);
    const build = startCommand(cli('image', '--base', 'debian-13', '--engine=packer', '--output', output), {
      cwd: folder,
      env: { CLUSTEROS_CACHE: cache, TMPDIR: folder },
    });
    await build.until('a machine', () =>
      processesIn(folder).some(({ argv }) => /qemu-system.*\/output\//.test(argv.join(' '))),
    );
    if (how === 'SIGINT') build.signalGroup(how);
    else build.signalOne(how);
    assert.equal((await build.ended).exit, exit);
    await assertNothingRuns(folder);
    if (how === 'SIGINT') {
      assertCacheWhole(cache);
      assert.deepEqual(assertOutputWhole(output), []);
    } else {
      assert.deepEqual(globSync('packages/*/packer*', { cwd: cache }), []);
      assert.deepEqual(readdirSync(output), ['.work'], 'half an image is never in the open');
    }
  });
}
