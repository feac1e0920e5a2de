import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { parseInstallSettings } from '../agent/installer/settings.ts';
import { judgeOffers, type Offer } from '../agent/seed/judge.ts';
import { sampleFiles } from './sample.ts';

const textOf = (path: string) => sampleFiles('lab').find((file) => file.path === path)?.text ?? '';
/** As somebody does who needs all of it. */
const uncommented = (text: string) =>
  text
    .split('\r\n')
    .filter((line) => /^#(\S| {2})|^[^#]/.test(line))
    .map((line) => line.replace(/^#/, ''))
    .join('\r\n');

test('the sample says nothing to the installer and gives the agent nothing wrong', () => {
  const parsed = parseInstallSettings('install.yaml', textOf('clusteros/install.yaml'));
  assert.ok('settings' in parsed);
  assert.deepEqual(parsed.settings, { disk: {}, unattended: false, after: 'reboot' });
  const bytes = Buffer.from(textOf('clusteros/node.yaml'));
  const offers: Offer[] = [{ source: 'seed', item: 'node.yaml', place: 'node.yaml', content: { bytes } }];
  const { decisions } = judgeOffers({ key: undefined, settings: undefined }, offers);
  assert.deepEqual(
    decisions.filter(({ outcome }) => outcome === 'refused'),
    [],
  );
});

test('every line of the sample that can be uncommented is understood', () => {
  const parsed = parseInstallSettings('install.yaml', uncommented(textOf('clusteros/install.yaml')));
  assert.ok('settings' in parsed, JSON.stringify(parsed));
  assert.equal(parsed.settings.unattended, true);
  assert.equal(Object.values(parsed.settings.disk).filter((value) => value !== undefined).length, 4);
  const bytes = Buffer.from(uncommented(textOf('clusteros/node.yaml')));
  const offers: Offer[] = [{ source: 'seed', item: 'node.yaml', place: 'node.yaml', content: { bytes } }];
  const { decisions } = judgeOffers({ key: undefined, settings: undefined }, offers);
  assert.deepEqual(
    decisions.map(({ outcome }) => outcome),
    ['taken'],
  );
});

test('the examples for cloud-init are what it reads, once a key stands in them', () => {
  assert.match(textOf('examples/user-data'), /^#cloud-config\r\n/);
  const { users } = parse(textOf('examples/user-data')) as { users: { ssh_authorized_keys: string[] }[] };
  assert.match(users[0]?.ssh_authorized_keys[0] ?? '', /^ssh-ed25519 /);
  assert.deepEqual(parse(textOf('examples/meta-data')), { 'instance-id': 'lab-1' });
});

test('all of it is shown by any editor: line ends of Windows, and no other bytes than ASCII', () => {
  for (const { path, text } of sampleFiles('lab')) {
    assert.match(text, /^[\x20-\x7e\r\n]*$/, path);
    assert.equal(text.replaceAll('\r\n', '').includes('\n'), false, path);
  }
});
