import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDocument } from '../agent/config/document.ts';
import { describeProblem } from '../agent/config/problems.ts';
import { parseInstallSettings } from '../agent/installer/settings.ts';
import { checkDefinition } from '../build/definition/load.ts';
import { describeMistake } from './mistakes.ts';
import { readYaml } from './yaml.ts';

const bytes = (text: string) => Buffer.from(text);
const said = (text: string) => readYaml(bytes(text)).mistakes.map((mistake) => describeMistake('f', mistake));

/** The same document by each of its readers: mistakes without the file's name. */
function readers(text: string | Uint8Array): string[][] {
  const content = typeof text === 'string' ? bytes(text) : text;
  const definition = checkDefinition(content);
  const install = parseInstallSettings('f', content);
  return [
    'mistakes' in definition ? definition.mistakes.map((one) => describeMistake('f', one)) : [],
    readDocument('f', content).problems.map(describeProblem),
    'mistakes' in install ? [...install.mistakes] : [],
  ];
}

test('a second document is refused in cluster.yaml, node.yaml and install.yaml with one sentence', () => {
  for (const text of ['{}\n---\n{}\n', '# x\n---\n{}\n---\n# only a comment\n', '{}\n...\n---\nwipe: all\n'])
    for (const mistakes of readers(text))
      assert.match(mistakes.join('\n'), /^f:\d:1: a second document begins here: expected one$/, text);
});

test('a duplicate key and an unknown key are told at once, alike in all three documents', () => {
  for (const mistakes of readers('x: 1\nx: 2\n')) {
    assert.equal(mistakes.length, 2, mistakes.join('\n'));
    assert.match(mistakes.join('\n'), /^f:1:1: x: unknown key; expected one of .*\nf:2:1: duplicate key$/);
  }
});

test('UTF-8 with a byte order mark and UTF-16 read as UTF-8 does; Latin-1 is refused with its place', () => {
  const text = 'name: lab\n# Größe\nmesh: {port: 51821}\n';
  const little = Buffer.from(`\ufeff${text}`, 'utf16le');
  const variants = [
    bytes(`\ufeff${text}`),
    little,
    little.subarray(2),
    Buffer.from(little).swap16(),
    Buffer.from(little.subarray(2)).swap16(),
    bytes(text.replaceAll('\n', '\r\n')),
    bytes(text.replaceAll('\n', '\r')),
  ];
  for (const variant of variants)
    assert.deepEqual(readYaml(variant).value, { name: 'lab', mesh: { port: 51821 } });
  for (const mistakes of readers(Buffer.from(text, 'latin1')))
    assert.deepEqual(mistakes, ['f:2:5: the file is not text: expected UTF-8']);
});

test('what stands without quotes where a string is expected is the string as it is written', () => {
  const install = parseInstallSettings('f', 'disk: {serial: 0123}\nwipe: [1922E199, 0x1F, true]\n');
  assert.ok('settings' in install);
  assert.equal(install.settings.disk.serial, '0123');
  assert.deepEqual(install.settings.wipe, ['1922E199', '0x1F', 'true']);
  const one = parseInstallSettings('f', 'wipe: 00071\n');
  assert.ok('settings' in one);
  assert.equal(one.settings.wipe, '00071');
  const definition = checkDefinition(
    bytes('files: [{path: /a, text: 1.50, mode: 0644}]\nseed: {hostname: 007}\n'),
  );
  assert.ok('settings' in definition);
  assert.deepEqual(definition.settings.files, [{ path: '/a', text: '1.50', mode: '0644' }]);
  assert.equal(definition.settings.seed.hostname, '007');
});

test('no mistake repeats what may be a secret, whatever the file is', () => {
  const key = Buffer.alloc(32, 7).toString('base64');
  const token = `${'A'.repeat(8)}.${'b'.repeat(24)}`;
  const secrets = [key, token, 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0'];
  const texts = [
    key,
    `${token}\n`,
    `-----BEGIN OPENSSH PRIVATE KEY-----\n${secrets[2]}\n-----END OPENSSH PRIVATE KEY-----\n`,
    `name: ${key}\narch: ${token}\nseed: {ssh_authorized_keys: ["${key}"], user: "${secrets[2]}"}\n`,
    `log: {level: ${token}}\nname: "${key}\n`,
    `a: [${key}\n`,
    `? *${secrets[2]} !${secrets[2]} "${key}"\n`,
    `disk: {size: ${key}, path: ${token}}\nafter: ${secrets[2]}\n`,
  ];
  for (const text of texts)
    for (const mistakes of readers(text)) {
      assert.notEqual(mistakes.length, 0, text);
      for (const secret of secrets)
        assert.ok(!mistakes.join().includes(secret.slice(0, 12)), mistakes.join());
    }
});

test('an alias without an anchor and aliases without end are mistakes at their place', () => {
  assert.deepEqual(said('a: 1\nb: *c\n'), ['f:2:4: unknown alias']);
  const levels = Array.from({ length: 12 }, (_, i) => `k${i}: &k${i} [${`*k${i - 1},`.repeat(9)}]`);
  assert.deepEqual(said(`k: &k-1 [x]\n${levels.join('\n')}\n`), ['f:1:1: too many aliases']);
});

test('YAML 1.1, which cloud-init reads, has its own booleans', () => {
  assert.deepEqual(readYaml(bytes('a: yes\n')).value, { a: 'yes' });
  assert.deepEqual(readYaml(bytes('a: yes\n'), { version: '1.1' }).value, { a: true });
});
