import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { needsLoops } from '../../build/flash/testing/sticks.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { hasProtectiveMbr, readTable } from './gpt.ts';
import { liveFolder, loopDisk, undoing } from './testing/system.ts';

const MAIN = path.join(import.meta.dirname, '../main.ts');
const ROUNDS = 6;

test(
  'an installer killed at any moment leaves no bootable disk or a whole one, and the next run makes it whole',
  needsLoops('lsblk', 'wipefs', 'mkfs.ext4', 'mkfs.vfat'),
  async (t) => {
    const undo = undoing(t);
    const { environment, folder, paths } = makeSandbox(t);
    mkdirSync(path.join(paths.seed, 'clusteros'), { recursive: true });
    writeFileSync(
      path.join(paths.seed, 'clusteros/install.yaml'),
      'unattended: true\nafter: wait\nwipe: all\n',
    );
    const source = liveFolder(folder);
    const disk = loopDisk(undo, folder, 8e9);
    const target = path.join(paths.run, 'target');
    undo(['umount', target]);
    const argv = [MAIN, 'install', '--source', source, '--loop', disk.path];
    const env = { ...process.env, ...environment };
    let cut = 0;
    for (let round = 0; round < ROUNDS; round++) {
      execFileSync('dd', [
        'if=/dev/zero',
        `of=${disk.path}`,
        'bs=1M',
        'count=90',
        'conv=notrunc',
        'status=none',
      ]);
      const child = spawn(process.execPath, argv, { env, stdio: ['ignore', 'ignore', 'pipe'] });
      // Killed when it has said so many lines, each of which is a percent or a phase.
      const lines = 1 + round * 12;
      let said = 0;
      child.stderr.on('data', (text: Buffer) => {
        said += text.toString().split('\n').length - 1;
        if (said >= lines) child.kill('SIGKILL');
      });
      await new Promise((resolve) => child.once('close', resolve));
      spawnSync('umount', [target]);
      const head = execFileSync('dd', [`if=${disk.path}`, 'bs=1M', 'count=1', 'status=none'], {
        maxBuffer: 4e6,
      });
      if (!hasProtectiveMbr(head)) cut += 1;
      else assert.equal(readTable(head, 512)?.length, 3);
      const again = spawnSync(process.execPath, argv, { env, encoding: 'utf8' });
      assert.equal(again.status, 0, again.stderr);
    }
    assert.ok(cut >= 2, `${cut} of ${ROUNDS} were cut off before the end`);
  },
);
