import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { describeMistake, nearestWord } from '../../settings/mistakes.ts';
import { LARGEST_DOCUMENT } from '../../settings/yaml.ts';
import { OperatorError } from '../errors.ts';
import { checkDefinition, loadDefinition } from './load.ts';

/** Every mistake of a text, as printed, without the file's name. */
function mistakesOf(text: string | Uint8Array): string[] {
  const result = checkDefinition(typeof text === 'string' ? Buffer.from(text) : text);
  assert.ok('mistakes' in result, 'expected mistakes');
  return result.mistakes.map((mistake) => describeMistake('f', mistake).slice(2));
}

function settingsOf(text: string) {
  const result = checkDefinition(Buffer.from(text));
  assert.ok('settings' in result, 'mistakes' in result ? result.mistakes.map((one) => one.text).join() : '');
  return result.settings;
}

async function folderWith(
  t: TestContext,
  contents: Readonly<Record<string, string | Uint8Array>>,
): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'definition-test.'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(contents)) await writeFile(path.join(folder, name), content);
  return folder;
}

test('every mistake is reported at once, with its place and the nearest valid word', () => {
  const text = [
    'nmae: x',
    'base:',
    '  name: debain-13',
    '  mirorr: http://m/debian',
    'targets: [qcow]',
    'packages: [Foo]',
    'node:',
    '  mesh: {port: 99999}',
    '  consensus: {expect: two}',
    'seed: 3',
  ].join('\n');
  const mistakes = mistakesOf(text);
  assert.deepEqual(
    mistakes.map((line) => line.split(': ').slice(0, 2).join(': ')),
    [
      '1:1: nmae',
      '3:3: base.name',
      '4:3: base.mirorr',
      '5:11: targets[0]',
      '6:12: packages[0]',
      '8:10: node.mesh.port',
      '9:15: node.consensus.expect',
      '10:1: seed',
    ],
  );
  assert.match(mistakes[0] ?? '', /did you mean name\?$/);
  assert.match(
    mistakes[1] ?? '',
    /expected one of debian-13, .*found "debain-13"; did you mean debian-13\?$/,
  );
  assert.match(mistakes[2] ?? '', /did you mean mirror\?$/);
  assert.equal(nearestWord('usv', ['usb', 'iso']), 'usb');
  assert.equal(nearestWord('foo', ['usb', 'iso']), undefined);
  assert.match(mistakes[5] ?? '', /expected 65535 or less, found 99999$/);
  assert.match(mistakes[6] ?? '', /expected a whole number, found "two"$/);
  assert.match(mistakes[7] ?? '', /expected a map, found 3$/);
});

for (const [name, text, expected] of [
  ['a duplicate key', 'name: a\nname: b', /^2:1: duplicate key/],
  ['broken YAML', 'name: [a', /^1:9: .*a bracket that is not closed/],
  ['a tab for indentation', 'disk:\n\tsize: 8GiB', /^2:1: tabs cannot indent/],
  ['two documents', 'name: a\n---\nname: b\n', /^2:1: a second document begins here/],
  ['an empty file', '', /^1:1: the file is empty/],
  ['only comments', '# nothing\n', /^1:1: the file is empty/],
  ['a list at the top', '- name', /^1:1: expected a map of settings at the top/],
  ['binary', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff, 0xfe, 0]), /^1:1: the file is not text/],
  ['a NUL', 'name: a\nbase: "\0"', /^2:8: the file is not text: it holds control characters/],
  ['a huge file', Buffer.alloc(LARGEST_DOCUMENT + 1, 0x23), /^1:1: the file is too large/],
  ['deep brackets', `name: ${'['.repeat(5000)}`, /^1:47: nested too deeply/],
  ['deep dashes', `${'- '.repeat(5000)}x`, /nested too deeply/],
  ['a tag', 'name: !ruby/object x', /^1:7: unknown tag/],
  ['an unknown anchor', 'name: *x', /^1:7: unknown alias/],
  ['__proto__', '__proto__: {name: x}', /^1:1: __proto__: unknown key/],
  ['a decimal mode', 'files: [{path: /a, text: x, mode: 420}]', /expected four octal digits in quotes/],
  ['a setuid mode', "files: [{path: /a, text: x, mode: '4755'}]", /expected four octal digits/],
  ['a path that climbs', 'files: [{path: /a/../b, text: x}]', /expected an absolute path/],
  [
    'text and source',
    'files: [{path: /a, text: x, source: y}]',
    /either text or source, found text and source/,
  ],
  [
    'a file below a file',
    'files: [{path: /a, text: x}, {path: /a/b, text: y}]',
    /files\[1\].path: expected a path that is in a folder: files\[0\] makes a file of it/,
  ],
  ['a path through a link of every base', 'files: [{path: /bin/x, text: x}]', /expected a path below \/usr/],
  ['neither text nor source', 'files: [{path: /a}]', /either text or source, found neither/],
  ['the file of the settings', 'files: [{path: /etc/clusteros/node.yaml, text: x}]', /made from node:/],
  [
    'a private key',
    'files: [{path: /a, text: "-----BEGIN OPENSSH PRIVATE KEY-----"}]',
    /secrets travel in the seed/,
  ],
  ['a package twice', 'packages: [htop, htop]', /1:18: packages\[1\]: htop is listed twice/],
  ['an option as package', 'packages: ["--reinstall"]', /expected the name of a package/],
  ['a port twice', 'node: {gossip: {port: 7373}}', /node.gossip.port: .*7373 belongs to consensus.peer_port/],
  [
    "a port on that of Serf's RPC, which every node rejects",
    'node: {gossip: {port: 7950}}',
    /node.gossip.port: expected another port: 7950 belongs to gossip.rpc_port/,
  ],
  ['a reserved port', 'node: {gossip: {port: 6443}}', /6443 belongs to the Kubernetes API/],
  ['the range of the pods', 'node: {mesh: {range: 10.44.0.0/17}}', /overlaps 10.44.0.0\/16, the pods/],
  [
    'a range around the services',
    'node: {mesh: {range: 10.0.0.0/8}}',
    /overlaps 10.43.0.0\/16, the services/,
  ],
  ['a range with host bits', 'node: {mesh: {range: 10.42.1.0/16}}', /expected a private IPv4 range/],
  ['the order to begin', 'node: {consensus: {bootstrap: true}}', /node.consensus.bootstrap: unknown key/],
  [
    'a snapshot beside a mirror',
    'base: {mirror: "http://m/debian", snapshot: 20260101T000000Z}',
    /no mirror beside a snapshot/,
  ],
  ['a day that never was', 'base: {snapshot: 20260231T000000Z}', /expected a time that exists/],
  ['a password in a mirror', 'base: {mirror: "http://u:p@m/debian"}', /without a password/],
  ['a misspelt shorthand', 'base: debain-12', /^1:1: base: expected one of .*did you mean debian-12\?/],
  ['a small disk', 'disk: {size: 1GiB}', /from 2GiB to 16TiB/],
  ['root as user', 'seed: {user: root}', /expected a user other than root/],
  [
    'what is no public key',
    'seed: {ssh_authorized_keys: ["AAAA"]}',
    /^1:30: seed.ssh_authorized_keys\[0\]: expected a public key[^"]*$/,
  ],
] as const) {
  test(`${name} is a mistake that says what was expected`, () => {
    assert.match(mistakesOf(text).join('\n'), expected);
  });
}

test('aliases are followed, and a bomb of aliases is refused in no time', () => {
  assert.equal(settingsOf('name: &a lab\nseed: {hostname: *a}').seed.hostname, 'lab');
  assert.match(mistakesOf('name: &a lab\nseed: {user: "A", hostname: *a}\narch: *a').join('\n'), /3:1: arch/);
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
  for (let level = 1; level < 12; level += 1) {
    const below = String.fromCharCode(96 + level);
    const name = String.fromCharCode(97 + level);
    bomb.push(`${name}: &${name} [${Array(9).fill(`*${below}`).join(',')}]`);
  }
  const start = performance.now();
  assert.match(mistakesOf(bomb.join('\n')).join(), /too many aliases/);
  assert.ok(performance.now() - start < 2000);
});

test('the shorthand of a base is the base, and a key with nothing below it sets nothing', () => {
  assert.deepEqual(settingsOf('base: debian-12').base, { name: 'debian-12' });
  assert.deepEqual(settingsOf('name: a\nnode:\n  mesh:\npackages:\n'), settingsOf('name: a'));
});

test('a file given by source is read from beside the definition', async (t) => {
  const folder = await folderWith(t, {
    'cluster.yaml': "files: [{path: /etc/motd, mode: '0600', source: motd}]",
    motd: 'welcome\n',
  });
  const definition = await loadDefinition(path.join(folder, 'cluster.yaml'));
  assert.deepEqual(definition.files, [{ path: '/etc/motd', mode: 0o600, text: 'welcome\n' }]);
});

test('no secret gets into an image: by content, by name, by the name behind a link, or by its place', async (t) => {
  const key = randomBytes(32).toString('base64');
  const folder = await folderWith(t, {
    'cluster.yaml': [
      'files:',
      '  - {path: /f0, source: innocent.txt}',
      '  - {path: /f1, source: link}',
      '  - {path: /etc/shadow, text: ""}',
      `  - {path: /etc/lab.key, text: "${key}"}`,
      '  - {path: /f4, source: munge.key}',
    ].join('\n'),
    'innocent.txt': `${key}\n`,
    'munge.key': 'anything',
  });
  await symlink('/etc/shadow', path.join(folder, 'link'));
  await assert.rejects(loadDefinition(path.join(folder, 'cluster.yaml')), (error) => {
    assert.ok(error instanceof OperatorError);
    const lines = (error.evidence ?? '').split('\n');
    assert.equal(lines.length, 5, lines.join());
    for (const line of lines) assert.match(line, /expected no secret/);
    assert.ok(!lines.some((line) => line.includes(key)));
    return true;
  });
});

test('sources that cannot be used are reported together', async (t) => {
  const sources = ['gone', 'binary', 'id_ed25519', '.'];
  const folder = await folderWith(t, {
    'cluster.yaml': `files:\n${sources.map((source, index) => `  - {path: /f${index}, source: ${source}}\n`).join('')}`,
    binary: Uint8Array.of(0xff, 0xfe, 0),
    id_ed25519: '-----BEGIN OPENSSH PRIVATE KEY-----\n',
  });
  await assert.rejects(loadDefinition(path.join(folder, 'cluster.yaml')), (error: OperatorError) => {
    assert.equal(error.code, 'definition.invalid');
    assert.equal(error.evidence?.split('\n').length, 4);
    assert.match(error.evidence ?? '', /:2:\d+: files\[0\]\.source: .*none at .*gone/);
    assert.match(
      error.evidence ?? '',
      /UTF-8.*binary[\s\S]*no secret, and .* is a private key[\s\S]*none at/,
    );
    return true;
  });
});

test('a definition that is named must exist and be a file', async (t) => {
  const folder = await folderWith(t, {});
  for (const name of [path.join(folder, 'no.yaml'), folder]) {
    await assert.rejects(
      loadDefinition(name),
      (error) => error instanceof OperatorError && error.code === 'definition.missing',
    );
  }
});

test('a mistake that every node would refuse too is told once', () => {
  const checked = checkDefinition(
    Buffer.from('node: {discovery: {join: ["a b"]}, mesh: {range: 1.2.0.0/16}}\n'),
  );
  assert.equal('mistakes' in checked ? checked.mistakes.length : 0, 2);
});
