import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesGolden } from '../qemu/golden.ts';
import { metaDataText, userDataText } from './cloud-init.ts';
import type { PackerInputs } from './inputs.ts';
import { packerTemplate } from './template.ts';

const golden = (name: string) => new URL(`goldens/${name}`, import.meta.url);
const debian: PackerInputs = {
  name: 'lab-debian-13-amd64',
  base: { name: 'debian-13', image: 'base/base.qcow2', checksum: `sha256:${'0'.repeat(64)}` },
  diskBytes: 8 * 2 ** 30,
  layers: [
    { folder: '10-base', summary: 'kernel and first boot' },
    { folder: '20-definition', summary: 'the files of the definition' },
  ],
  plugins: false,
};
const sums = 'https://cloud-images.ubuntu.com/releases/noble/release';
const ubuntu: PackerInputs = {
  ...debian,
  name: 'lab-ubuntu-24.04-amd64',
  base: { name: 'ubuntu-24.04', image: `${sums}/x.img`, checksum: `file:${sums}/SHA256SUMS` },
  plugins: true,
};

test('the template for Packer 1.6, on a Debian base of our own', async () => {
  await matchesGolden(golden('debian-13.packer-1.6.pkr.hcl'), packerTemplate(debian));
});

test('the template for Packer from 1.7 on, on Ubuntu by URL and list of digests', async () => {
  await matchesGolden(golden('ubuntu-24.04.packer-1.7.pkr.hcl'), packerTemplate(ubuntu));
});

test('the seed lets Packer in, and holds a place for a key, but none', async () => {
  await matchesGolden(golden('user-data'), userDataText());
  await matchesGolden(golden('meta-data'), metaDataText('lab-debian-13-amd64'));
  assert.doesNotMatch(userDataText() + packerTemplate(debian), /ssh-ed25519 AAAA|PRIVATE KEY/);
});

test('a path that looks like a template of HCL or of Go is a path', () => {
  const image = '/srv/\x24{var.x}/{{user `y`}}/"z".qcow2';
  const text = packerTemplate({ ...debian, base: { ...debian.base, image } });
  assert.ok(text.includes('"/srv/\\u0024{var.x}/{{`{{`}}user `y`}}/\\"z\\".qcow2"'), text);
});

test('inputs that no plan gives are refused before Packer sees them', () => {
  const wrong: Partial<PackerInputs>[] = [
    { name: 'a b' },
    { name: '"' },
    { diskBytes: 5 },
    { layers: [] },
    { layers: [{ folder: '10-base; reboot', summary: '' }] },
    { layers: [{ folder: '../x', summary: '' }] },
    { base: { ...debian.base, checksum: 'file:https://x/\x24{y}' } },
    { base: { ...debian.base, checksum: 'md5:1' } },
  ];
  for (const each of wrong) assert.throws(() => packerTemplate({ ...debian, ...each }), JSON.stringify(each));
});
