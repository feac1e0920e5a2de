import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { readKeyFile, readPublicKey } from './ssh-keys.ts';

const TYPE = 'ssh-ed25519';
const BLOB = 'AAAAC3NzaC1lZDI1NTE5AAAAIEl0TDtlxsTFutZ3ux0r+9acPHZCntaOJ4j5LEtVGS8b';
const KEY = `${TYPE} ${BLOB} ops@example`;

const field = (bytes: Uint8Array | string) => {
  const content = Buffer.from(bytes);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
};
const keyOf = (type: string, ...fields: (Uint8Array | string)[]) =>
  `${type} ${Buffer.concat([type, ...fields].map(field)).toString('base64')}`;

function rsa(bits: number): string {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' });
  const modulus = Buffer.concat([Buffer.of(0), Buffer.from(n, 'base64url')]);
  return keyOf('ssh-rsa', Buffer.from(e, 'base64url'), modulus);
}

test('blanks, tabs, options and comments stand in a key line as sshd takes them', () => {
  for (const [line, key] of [
    [KEY, KEY],
    [`  ${TYPE}  ${BLOB}\t ops@example \r`, KEY],
    [`${TYPE}\t${BLOB}`, `${TYPE} ${BLOB}`],
    [`from="10.0.0.0/8,!10.1.0.0/16" ${KEY}`, `from="10.0.0.0/8,!10.1.0.0/16" ${KEY}`],
    [
      `restrict,command="echo \\"a b\\", c",No-PTY  ${KEY}`,
      `restrict,command="echo \\"a b\\", c",No-PTY ${KEY}`,
    ],
    [`cert-authority,principals="anna,bob" ${KEY}`, `cert-authority,principals="anna,bob" ${KEY}`],
    [
      `${TYPE} ${BLOB} a comment with "quotes, and words`,
      `${TYPE} ${BLOB} a comment with "quotes, and words`,
    ],
  ] as const)
    assert.deepEqual(readPublicKey(line), { key }, line);
});

test('every type of key that sshd knows is taken', () => {
  const point = Buffer.alloc(65, 4);
  for (const key of [
    rsa(2048),
    keyOf('ecdsa-sha2-nistp256', 'nistp256', point),
    keyOf('sk-ssh-ed25519@openssh.com', Buffer.alloc(32, 1), 'ssh:'),
    keyOf('sk-ecdsa-sha2-nistp256@openssh.com', 'nistp256', point, 'ssh:'),
  ])
    assert.deepEqual(readPublicKey(key), { key });
});

test('what only looks like a key, or what sshd would refuse, is a mistake that repeats nothing of it', () => {
  for (const line of [
    'hello-secret',
    TYPE,
    `${TYPE} AAAA`,
    `ssh-rsa ${BLOB}`,
    `${TYPE} ${BLOB.slice(0, -8)}`,
    `${TYPE} ${BLOB.slice(0, 20)}!${BLOB.slice(20)}`,
    `command="reboot" ${TYPE} AAAA`,
    `secret ${KEY}`,
    `comand="secret" ${KEY}`,
    `command=secret ${KEY}`,
    `restrict,,pty ${KEY}`,
    `from="secret ${KEY}`,
    `ssh-dss ${BLOB}`,
    `${KEY}\n${KEY}`,
    rsa(1000),
    Buffer.alloc(32, 7).toString('base64'),
    `example.org ${KEY}`,
  ]) {
    const reading = readPublicKey(line);
    assert.ok('mistake' in reading, line);
    assert.doesNotMatch(reading.mistake, /secret|AAAA|Bwc|example\.org/);
  }
});

test('of a file the keys are taken, and each bad line is named', () => {
  const text = `# mine\r\n\r\n${KEY}\r\nnonsense\r\n  \r\nfrom="10.0.0.1" ${KEY}\r\n${TYPE} AAAA x`;
  const found = readKeyFile(Buffer.from(`\ufeff${text}`, 'utf16le'));
  assert.deepEqual(found.keys, [KEY, `from="10.0.0.1" ${KEY}`]);
  assert.deepEqual(
    found.mistakes.map(({ line }) => line),
    [4, 7],
  );
  assert.deepEqual(readKeyFile(Buffer.from(text.replaceAll('\r\n', '\r'))).keys, found.keys);
});

test('a certificate is passed over by its line: sshd takes it through the key that signed it', () => {
  const certificate = keyOf(`${TYPE}-cert-v01@openssh.com`, 'nonce', Buffer.alloc(32, 1), 'more');
  const found = readKeyFile(Buffer.from(`${KEY}\n${certificate} me\n`));
  assert.deepEqual(found, { keys: [KEY], certificates: [2], mistakes: [] });
});

test('a private key and other forms are told by name, without a word of them', () => {
  for (const [text, says] of [
    ['-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n', /private key; give the public one/],
    ['PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\nc2VjcmV0\n', /private key/],
    ['---- BEGIN SSH2 PUBLIC KEY ----\nc2VjcmV0\n', /ssh-keygen -i -f/],
    ['-----BEGIN PUBLIC KEY-----\nc2VjcmV0\n', /ssh-keygen -i -m PKCS8/],
    ['caf\u00e9 c2VjcmV0', /not text/],
  ] as const) {
    const { keys, mistakes } = readKeyFile(Buffer.from(text, 'latin1'));
    assert.deepEqual([keys.length, mistakes.length], [0, 1]);
    assert.match(mistakes[0]?.text ?? '', says);
    assert.doesNotMatch(mistakes[0]?.text ?? '', /c2Vj/);
  }
});
