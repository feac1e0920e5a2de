/**
 * Ed25519 signatures in the files of minisign(1), so that `minisign -V` checks what we sign and we check what it
 * signs. Pure.
 *
 * Source: https://jedisct1.github.io/minisign/ ("Signature format", "Public key format", "Secret key format"), and
 * the keys that `minisign -G -W` 0.11 writes, whose checksum is zero.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  sign as edSign,
  verify as edVerify,
} from 'node:crypto';

/** A key that signs. `seed` is the secret. */
export interface SignKey {
  /** 8 bytes that name the pair; by chance or by hash, they prove nothing. */
  readonly id: Buffer;
  readonly seed: Buffer;
}

export interface PublicKey {
  readonly id: Buffer;
  /** 32 bytes. */
  readonly key: Buffer;
}

/** Over the message itself, or over its BLAKE2b-512: the second is what we write, the first is read too. */
const PURE = 'Ed';
const PREHASHED = 'ED';
const CHECKSUM = 'B2';
/** RFC 8410: what stands before 32 raw bytes in PKCS #8 and in SubjectPublicKeyInfo. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
/** Salt, limits of scrypt: all zero for a key without a passphrase. */
const NO_PASSPHRASE = Buffer.alloc(2 + 32 + 8 + 8);
const SECRET_LENGTH = 2 + 2 + 2 + 32 + 8 + 8 + 8 + 64 + 32;

/** The pair of a secret of 32 bytes: its id follows from the public half. */
export function signKeyOf(seed: Buffer): SignKey {
  return { seed, id: createHash('blake2b512').update(rawPublic(seed)).digest().subarray(0, 8) };
}

export function publicKeyOf({ id, seed }: SignKey): PublicKey {
  return { id, key: rawPublic(seed) };
}

/** The id as minisign prints it. */
export function keyName(id: Buffer): string {
  return id.readBigUInt64LE().toString(16).toUpperCase();
}

export function publicKeyText(key: PublicKey): string {
  const body = Buffer.concat([Buffer.from(PURE), key.id, key.key]);
  return `untrusted comment: minisign public key ${keyName(key.id)}\n${body.toString('base64')}\n`;
}

/** The file of a key without a passphrase. */
export function signKeyText(key: SignKey): string {
  const body = Buffer.concat([
    Buffer.from(PURE),
    NO_PASSPHRASE.subarray(0, 2),
    Buffer.from(CHECKSUM),
    NO_PASSPHRASE.subarray(2),
    key.id,
    key.seed,
    rawPublic(key.seed),
    Buffer.alloc(32),
  ]);
  return `untrusted comment: clusteros secret key, NOT protected by a passphrase: keep this file safe\n${body.toString('base64')}\n`;
}

/** A public key file, or its one line of base64. @returns why not, as a string */
export function parsePublicKey(text: string): PublicKey | string {
  const [line = ''] = payload(text);
  const body = base64(line);
  if (body === undefined || body.length !== 42) return 'it is no minisign public key (42 bytes in base64)';
  if (body.subarray(0, 2).toString('latin1') !== PURE) return 'its algorithm is not Ed25519';
  return { id: body.subarray(2, 10), key: body.subarray(10) };
}

/** @returns why not, as a string that does not repeat the key */
export function parseSignKey(text: string): SignKey | string {
  const [line = ''] = payload(text);
  const body = base64(line);
  if (body?.length === 42) return 'it is a public key; the secret one is needed';
  if (body === undefined || body.length !== SECRET_LENGTH) return 'it is no minisign secret key';
  if (body.subarray(0, 2).toString('latin1') !== PURE) return 'its algorithm is not Ed25519';
  if (!body.subarray(2, 4).equals(NO_PASSPHRASE.subarray(0, 2)))
    return 'it is protected by a passphrase, which a build cannot type';
  const seed = body.subarray(62, 94);
  if (!rawPublic(seed).equals(body.subarray(94, 126))) return 'its two halves do not belong together';
  return { id: body.subarray(54, 62), seed };
}

/**
 * @param trusted one line that is signed too
 * @returns the text of the `.minisig` file; the same for the same message, key and line
 */
export function signatureText(message: Buffer, key: SignKey, trusted: string): string {
  if (/[\r\n]/.test(trusted)) throw new Error('a trusted comment is one line');
  const secret = privateObject(key.seed);
  const signature = edSign(null, blake2b(message), secret);
  const global = edSign(null, Buffer.concat([signature, Buffer.from(trusted)]), secret);
  const body = Buffer.concat([Buffer.from(PREHASHED), key.id, signature]);
  return [
    `untrusted comment: signature of clusteros-build, key ${keyName(key.id)}`,
    body.toString('base64'),
    `trusted comment: ${trusted}`,
    global.toString('base64'),
    '',
  ].join('\n');
}

type SignatureCheck =
  | { readonly ok: true; readonly trusted: string }
  | { readonly ok: false; readonly reason: string };

/** Whether a `.minisig` text is the key's signature of the message. */
export function checkSignature(message: Buffer, text: string, key: PublicKey): SignatureCheck {
  const lines = text.split(/\r?\n/);
  const body = base64(lines[1] ?? '');
  const trusted = /^trusted comment: (.*)$/.exec(lines[2] ?? '')?.[1];
  const global = base64(lines[3] ?? '');
  if (body?.length !== 74 || trusted === undefined || global?.length !== 64) {
    return { ok: false, reason: 'the signature file is damaged' };
  }
  const id = body.subarray(2, 10);
  if (!id.equals(key.id)) {
    return { ok: false, reason: `it was made by the key ${keyName(id)}, not by ${keyName(key.id)}` };
  }
  const algorithm = body.subarray(0, 2).toString('latin1');
  const signature = body.subarray(10);
  const signed = algorithm === PREHASHED ? blake2b(message) : algorithm === PURE ? message : undefined;
  if (signed === undefined) return { ok: false, reason: 'its algorithm is not Ed25519' };
  const open = createPublicKey({ key: Buffer.concat([SPKI, key.key]), format: 'der', type: 'spki' });
  if (!edVerify(null, signed, open, signature)) {
    return { ok: false, reason: 'the signature does not fit: the file was changed, or another key made it' };
  }
  if (!edVerify(null, Buffer.concat([signature, Buffer.from(trusted)]), open, global)) {
    return { ok: false, reason: 'its trusted comment was changed' };
  }
  return { ok: true, trusted };
}

/** The lines that are not comments. */
function payload(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('untrusted comment:'));
}

/** Strict: what Buffer would pass over is damage. */
function base64(line: string): Buffer | undefined {
  const bytes = Buffer.from(line, 'base64');
  return bytes.length > 0 && bytes.toString('base64') === line ? bytes : undefined;
}

function blake2b(message: Buffer): Buffer {
  return createHash('blake2b512').update(message).digest();
}

function privateObject(seed: Buffer) {
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
}

function rawPublic(seed: Buffer): Buffer {
  const der = createPublicKey(privateObject(seed)).export({ format: 'der', type: 'spki' });
  return Buffer.from(der.subarray(SPKI.length));
}
