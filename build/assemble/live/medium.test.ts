import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesGolden } from '../../../qemu/golden.ts';
import { needs, output } from '../testing/images.ts';
import { liveOptions } from '../testing/live.ts';
import { liveMenu, mediumFiles } from './medium.ts';

const MENU = liveMenu('LABEL=CLUSTEROS_90BFA3', 'Cluster-OS (debian-13)');

test('the menu of a live medium is as reviewed', async () => {
  await matchesGolden(new URL('goldens/live-menu.golden', import.meta.url), MENU);
});

test('GRUB itself accepts it', needs('grub-script-check'), () => {
  output(['grub-script-check'], { input: MENU });
});

test('what the menu loads is on the medium', async () => {
  const names = (await mediumFiles(liveOptions('/nowhere', 'usb'), 'PARTUUID=x')).map(
    ({ path }) => `/${path}`,
  );
  for (const [name] of MENU.matchAll(/\/live\/\S+/g)) assert.ok(names.includes(name), name);
});
