import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { IMAGE_IDS_MARK } from '../agent/installer/fresh-ids.ts';
import { loopDisk, undoing } from '../agent/installer/testing/system.ts';
import { needsLoops } from '../build/flash/testing/sticks.ts';
import { FRESH_ID_FILES } from './fresh-ids.ts';

const MIB = 2 ** 20;
const NEEDS = needsLoops('sfdisk', 'mkfs.ext4', 'tune2fs', 'e2fsck', 'blkid', 'blockdev');
const said = (...argv: [string, ...string[]]) =>
  execFileSync(argv[0], argv.slice(1), { encoding: 'utf8' }).trim();

/** A disk with a mounted root, and the image's script with programs of its own. */
function startedDisk(t: TestContext) {
  const undo = undoing(t);
  const folder = mkdtempSync(path.join(tmpdir(), 'fresh-ids.'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const disk = loopDisk(undo, folder, 128 * MIB);
  const input =
    'label: gpt\nstart=2048, size=2048\nstart=4096, size=8192\nstart=12288, size=204800, name=root\n';
  execFileSync('sfdisk', ['--quiet', '--no-reread', disk.path], { input });
  const [offset, limit] = [12_288 * 512, 204_800 * 512];
  const root = said(
    ...['losetup', '--find', '--show', '--offset', String(offset), '--sizelimit', String(limit), disk.file],
  );
  undo(['losetup', '--detach', root]);
  execFileSync('mkfs.ext4', ['-q', '-O', 'metadata_csum_seed', root]);
  const place = path.join(folder, 'root');
  mkdirSync(place);
  execFileSync('mount', [root, place]);
  undo(['umount', place]);
  const put = (name: string, text: string) => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text, { mode: 0o755 });
  };
  put('bin/findmnt', `#!/bin/sh\necho ${root}\n`);
  put('bin/lsblk', `#!/bin/sh\necho ${path.basename(disk.path)}\n`);
  put(IMAGE_IDS_MARK, '');
  const [script] = FRESH_ID_FILES;
  put('fresh-ids', (script?.text ?? '').replaceAll(IMAGE_IDS_MARK, `${folder}${IMAGE_IDS_MARK}`));
  const ids = () => {
    const { partitiontable } = JSON.parse(said('sfdisk', '--json', disk.path));
    const parts = partitiontable.partitions as { uuid: string; start: number; size: number; name?: string }[];
    const layout = parts.map(({ start, size, name }) => [start, size, name]);
    const uuid = said('blkid', '--probe', '--match-tag', 'UUID', '--output', 'value', root);
    return { layout, all: [partitiontable.id, uuid, ...parts.map((part) => part.uuid)] };
  };
  return {
    disk,
    root,
    ids,
    marked: () => existsSync(path.join(folder, IMAGE_IDS_MARK)),
    stub: put,
    run: () =>
      spawnSync(path.join(folder, 'fresh-ids'), {
        env: { PATH: `${path.join(folder, 'bin')}:/usr/sbin:/usr/bin:/sbin:/bin` },
        encoding: 'utf8',
      }),
  };
}

test('a disk that started gets a file system and a table with ids of its own, in their place', NEEDS, (t) => {
  const { disk, root, ids, run, marked } = startedDisk(t);
  const before = ids();
  const { status, stderr } = run();
  assert.equal(status, 0, stderr);
  const after = ids();
  assert.deepEqual(after.layout, before.layout);
  assert.equal(new Set([...before.all, ...after.all]).size, 10);
  assert.match(said('sfdisk', '--verify', disk.path), /No errors detected/);
  assert.equal(marked(), false, 'it happens once');
  execFileSync('umount', [root]);
  assert.equal(spawnSync('e2fsck', ['-f', '-n', root]).status, 0);
});

test(
  'a power cut between the two tables leaves one that is whole, and the next start goes on',
  NEEDS,
  (t) => {
    for (const cut of [1, 2]) {
      const { disk, ids, run, marked, stub } = startedDisk(t);
      const before = ids();
      // The power goes in the write of table number `cut`: its first sectors are there.
      stub('count', '0');
      stub(
        'bin/dd',
        `#!/bin/sh\nn=$(cat "\${0%/bin/dd}/count"); n=$((n + 1)); echo $n >"\${0%/bin/dd}/count"\n` +
          `[ $n = ${cut} ] || exec /bin/dd "$@"\nfor word in "$@"; do case $word in count=*) ;; *) set -- "$@" "$word" ;; esac; shift; done\n` +
          '/bin/dd "$@" count=1\nexit 1\n',
      );
      assert.notEqual(run().status, 0);
      assert.equal(marked(), true);
      const { layout } = ids();
      assert.deepEqual(layout, before.layout, `cut ${cut}`);
      stub('bin/dd', '#!/bin/sh\nexec /bin/dd "$@"\n');
      assert.equal(run().status, 0);
      assert.match(said('sfdisk', '--verify', disk.path), /No errors detected/);
      assert.equal(new Set([...before.all, ...ids().all]).size, 10);
    }
  },
);
