import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../errors.ts';
import { identityFromSeed, parseIdentity, serializeIdentity } from './identity.ts';

const FACTS = { path: '/var/lib/clusteros/identity.json', mode: 0o600, uid: 0, ownUid: 0 };
const SEED = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
const IDENTITY = identityFromSeed(SEED, new Date('2026-01-02T03:04:05Z'));
const TEXT = serializeIdentity(IDENTITY);

function refusal(text: string, facts: Partial<typeof FACTS> = {}): AgentError {
  try {
    parseIdentity(Buffer.from(text), { ...FACTS, ...facts });
  } catch (error) {
    assert.ok(error instanceof AgentError);
    assert.ok(error.fix, 'a refusal names its remedy');
    assert.ok(
      !JSON.stringify([error.message, error.evidence, error.fix]).includes(
        SEED.toString('base64').slice(0, 12),
      ),
    );
    return error;
  }
  throw new assert.AssertionError({ message: 'the identity was trusted' });
}

test('an identity is read back as it was written', () => {
  assert.deepEqual(parseIdentity(Buffer.from(TEXT), FACTS), IDENTITY);
  assert.equal(IDENTITY.id, 'FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z');
});

test('a file that the group or the world may use is refused', () => {
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o601, 0o644]) {
    const error = refusal(TEXT, { mode });
    assert.equal(error.code, 'identity.mode');
    assert.match(error.fix ?? '', /chmod 600/);
  }
});

test('a file of another owner is refused', () => {
  assert.equal(refusal(TEXT, { uid: 1000 }).code, 'identity.owner');
});

test('an empty file, as a power cut could leave it, is refused and not replaced', () => {
  assert.equal(refusal('').code, 'identity.corrupted');
});

test('a file cut at any byte is refused', () => {
  for (let length = 0; length < TEXT.trimEnd().length; length += 1) {
    assert.equal(refusal(TEXT.slice(0, length)).code, 'identity.corrupted', `cut at ${length}`);
  }
});

test('an id or a public key that does not belong to the private key is refused', () => {
  const other = identityFromSeed(Buffer.alloc(32, 7), new Date());
  const swapped = (part: object) => JSON.stringify({ ...JSON.parse(TEXT), ...part });
  assert.equal(refusal(swapped({ id: other.id })).code, 'identity.mismatch');
  assert.equal(refusal(swapped({ publicKey: other.publicKey.toString('base64') })).code, 'identity.mismatch');
  assert.equal(refusal(swapped({ privateKey: other.seed.toString('base64') })).code, 'identity.mismatch');
});

test('parts that are missing, of a wrong kind or of a wrong length are refused', () => {
  for (const key of ['version', 'id', 'publicKey', 'privateKey', 'created']) {
    for (const value of [undefined, 1.5, null, 'x', [], {}]) {
      const error = refusal(JSON.stringify({ ...JSON.parse(TEXT), [key]: value }));
      assert.match(error.code, /^identity\.(corrupted|mismatch)$/, `${key}: ${value}`);
    }
  }
});
