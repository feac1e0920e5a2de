import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { makeSandbox } from '../testing/sandbox.ts';
import { collectOffers } from './offers.ts';

test("a seed offers what is a node's; a stranger's file is told, the installer's own settings are not", async (t) => {
  const { paths } = makeSandbox(t);
  const folder = path.join(paths.seed, 'clusteros');
  mkdirSync(folder, { recursive: true });
  for (const name of ['install.yaml', 'node.yaml', 'holiday.jpg'])
    writeFileSync(path.join(folder, name), '# x\n');
  const offers = await collectOffers(paths, {});
  assert.deepEqual(
    offers.map(({ item, content }) => [item, 'ignored' in content]),
    [
      ['holiday.jpg', true],
      ['node.yaml', false],
    ],
  );
});

test('user-data that the image kept from cloud-init is told as ignored, with the way to take it', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.run, { recursive: true });
  writeFileSync(path.join(paths.run, 'user-data-ignored'), 'only the first seed\n');
  const [offer] = await collectOffers(paths, {});
  assert.equal(offer?.item, 'user-data');
  assert.deepEqual(offer?.content, { ignored: 'only the first seed' });
});
