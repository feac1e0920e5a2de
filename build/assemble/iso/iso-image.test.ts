import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { matchesGolden } from '../../../qemu/golden.ts';
import { EPOCH, freshFolder, needs, output } from '../testing/images.ts';
import { chance, liveOptions } from '../testing/live.ts';
import { assembleIso, discLabel, isoArgv } from './iso-image.ts';

const TOOLS = needs('mksquashfs', 'xorriso', 'mkfs.vfat', 'mcopy', 'sfdisk');

async function makeDisc(t: TestContext): Promise<{ place: string; file: string }> {
  const place = freshFolder(t);
  const work = path.join(place, 'work');
  await fs.mkdir(work);
  const file = path.join(place, 'x.iso');
  await assembleIso(file, liveOptions(work, 'iso'));
  return { place, file };
}

test('a disc starts by BIOS and by UEFI, as a disc and as a stick', TOOLS, async (t) => {
  const { file } = await makeDisc(t);
  const report = output([
    'xorriso',
    '-indev',
    file,
    '-report_el_torito',
    'plain',
    '-report_system_area',
    'plain',
  ]);
  assert.match(report, /El Torito boot img : +1 +BIOS +y/);
  assert.match(report, /El Torito boot img : +2 +UEFI +y/);
  assert.match(report, /El Torito img path : +1 +\/boot\/grub\/cd\.img/);
  assert.match(report, /System area summary: .*MBR.*grub2-mbr.*GPT/);
  const { partitiontable } = JSON.parse(output(['sfdisk', '--json', file])) as {
    partitiontable: { label: string; partitions: { type: string }[] };
  };
  assert.equal(partitiontable.label, 'gpt');
  const types = partitiontable.partitions.map(({ type }) => type);
  assert.ok(types.includes('C12A7328-F81F-11D2-BA4B-00A0C93EC93B'), types.join(' '));
});

test('the menu finds the disc by its label, and the files are on it as they were', TOOLS, async (t) => {
  const { place, file } = await makeDisc(t);
  const tree = path.join(place, 'tree');
  output(['xorriso', '-osirrox', 'on', '-indev', file, '-extract', '/', tree]);
  const menu = await fs.readFile(path.join(tree, 'boot/grub/clusteros.cfg'), 'utf8');
  const label = /clusteros\.live=LABEL=(\S+)/.exec(menu)?.[1];
  assert.match(label ?? '', /^CLUSTEROS_[0-9A-F]{6}$/);
  assert.match(output(['xorriso', '-indev', file, '-pvd_info']), new RegExp(`Volume Id +: ${label}\\n`));
  assert.ok((await fs.readFile(path.join(tree, 'live/vmlinuz'))).equals(chance('kernel', 700_000)));
  // Where the signed GRUB looks when it was started from the disc, and not from a stick.
  const stub = await fs.readFile(path.join(tree, 'EFI/debian/grub.cfg'), 'utf8');
  assert.match(stub, new RegExp(`--label ${label}\n`));
  assert.deepEqual((await fs.readdir(path.join(tree, 'live'))).sort(), [
    'initrd.img',
    'live.img',
    'system.squashfs',
    'vmlinuz',
  ]);
});

test('the same disc comes out in another folder and later', TOOLS, async (t) => {
  const one = await makeDisc(t);
  // A clock that leaks in counts seconds.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const other = await makeDisc(t);
  assert.ok((await fs.readFile(one.file)).equals(await fs.readFile(other.file)));
});

test('the label of a disc is what every reader can show', () => {
  assert.equal(discLabel('ac6198d8-b0dc-8d94-b197-dc8bed90bfa3'), 'CLUSTEROS_90BFA3');
});

test('what xorriso is told is as reviewed', async () => {
  const argv = isoArgv({
    file: 'x.iso',
    label: 'CLUSTEROS_90BFA3',
    disk: 'ac6198d8-b0dc-8d94-b197-dc8bed90bfa3',
    epoch: EPOCH,
    hybrid: 'work/hybrid.img',
    esp: 'work/esp.img',
    placed: [
      { path: 'live/system.squashfs', source: 'work/live.squashfs' },
      { path: 'boot/grub/cd.img', source: 'work/cd.img' },
    ],
  });
  await matchesGolden(new URL('goldens/iso-argv.golden', import.meta.url), `${argv.join('\n')}\n`);
});
