import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { test } from 'node:test';
import { freshFolder, needs, node } from '../testing/images.ts';
import { liveOptions } from '../testing/live.ts';
import { LIVE_PROGRAMS, liveSquashfs } from './squashfs.ts';

test('what mksquashfs says when it fails is what is told', needs(...LIVE_PROGRAMS), async (t) => {
  const options = liveOptions(freshFolder(t), 'usb');
  const taken = path.join(options.workFolder, `live-${options.ids.disk}.squashfs.part`);
  await fs.mkdir(path.join(taken, 'something'), { recursive: true });
  await assert.rejects(liveSquashfs(options), { code: 'command.failed', message: /^mksquashfs failed/ });
});

test(
  'a source that ends early is told as that, and leaves no squashfs',
  needs(...LIVE_PROGRAMS),
  async (t) => {
    const folder = freshFolder(t);
    const options = liveOptions(folder, 'usb');
    const source = path.join(folder, 'source');
    await fs.writeFile(source, 'short');
    const handle = await fs.open(source);
    t.after(() => handle.close());
    const lost = node('file', { size: 1_000_000, source: { handle, position: 0 } });
    const tree = new Map([...options.root.tree, ['usr/lost', lost] as const]);
    await assert.rejects(
      liveSquashfs({ ...options, root: { ...options.root, tree } }),
      /ends early, at byte 5/,
    );
    assert.deepEqual(
      (await fs.readdir(folder)).filter((name) => name.endsWith('.squashfs')),
      [],
    );
  },
);
