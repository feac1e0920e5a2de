/** The images of a run, made once before the files that boot or inspect them, so that none of these waits for another. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { buildWithCli, olderImage, TEST_IMAGES } from '../images.ts';
import { liveMedia } from '../install/media.ts';

test('the images of debian-13 are built, each of the four kinds', async () => {
  const args = ['--base', 'debian-13', '--target', 'all'];
  const { artifacts } = await buildWithCli({ output: TEST_IMAGES, args });
  assert.deepEqual(artifacts.map(({ target }) => target).sort(), ['docker', 'iso', 'qcow2', 'usb']);
  const { usb, iso } = await liveMedia();
  assert.ok(existsSync(usb) && existsSync(iso));
});

test('the image of debian-12 is built for containers', async () => {
  const { image } = await olderImage();
  assert.ok(existsSync(image));
});
