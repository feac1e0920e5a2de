import { createHash } from 'node:crypto';
import { base58 } from '@scure/base';
import { AgentError } from '../errors.ts';
import { publicKeyOf } from './ed25519.ts';
import { wireguardKeys } from './keys.ts';

/** Who the node is. The seed is the only secret; all else follows from it. */
export interface Identity {
  /** base58 of the public key. */
  readonly id: string;
  readonly publicKey: Buffer;
  /** The private key of RFC 8032: 32 random bytes. */
  readonly seed: Buffer;
  /** When it was made, ISO 8601. */
  readonly created: string;
}

/** How the file was found, as far as it matters for trust. */
interface FileFacts {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  /** Who we are. */
  readonly ownUid: number;
}

/** The file that {@link parseIdentity} reads back. */
interface IdentityFile {
  readonly version: 1;
  readonly id: string;
  readonly publicKey: string;
  readonly privateKey: string;
  readonly created: string;
}

/** @param seed 32 random bytes */
export function identityFromSeed(seed: Buffer, created: Date): Identity {
  const publicKey = publicKeyOf('ed25519', seed);
  return { id: base58.encode(publicKey), publicKey, seed, created: created.toISOString() };
}

export function serializeIdentity(identity: Identity): string {
  const file: IdentityFile = {
    version: 1,
    id: identity.id,
    publicKey: identity.publicKey.toString('base64'),
    privateKey: identity.seed.toString('base64'),
    created: identity.created,
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/**
 * Trust a file of identity, or say why not. Nothing here repairs: a node that silently became another one
 * would leave a ghost in every cluster it was a member of.
 *
 * @throws AgentError `identity.mode`, `identity.owner`, `identity.corrupted`, `identity.mismatch`
 */
export function parseIdentity(bytes: Uint8Array, facts: FileFacts): Identity {
  refuseLooseFile(facts, 'identity');
  const file = decodeFile(bytes, facts.path);
  const seed = decodeKey(file.privateKey);
  const publicKey = decodeKey(file.publicKey);
  if (seed === undefined || publicKey === undefined) {
    throw corrupted(facts.path, 'publicKey and privateKey must be base64 of 32 bytes each');
  }
  if (Number.isNaN(Date.parse(file.created))) throw corrupted(facts.path, 'created is not a date');
  if (!publicKeyOf('ed25519', seed).equals(publicKey) || base58.encode(publicKey) !== file.id) {
    throw new AgentError({
      code: 'identity.mismatch',
      exit: 'refused',
      message: `${facts.path} contradicts itself: id, publicKey and privateKey do not belong together`,
      fix: REMEDY(facts.path),
    });
  }
  return { id: file.id, publicKey, seed, created: file.created };
}

/** Refuse a secret file that others may read or write, or that another user owns. */
export function refuseLooseFile(facts: FileFacts, family: 'identity' | 'key'): void {
  if (facts.uid !== facts.ownUid) {
    throw new AgentError({
      code: `${family}.owner`,
      exit: 'refused',
      message: `${facts.path} belongs to user ${facts.uid}, but we are user ${facts.ownUid}`,
      fix:
        facts.ownUid === 0
          ? `chown root:root ${facts.path}`
          : `run it as the owner (sudo), or: chown ${facts.ownUid} ${facts.path}`,
    });
  }
  if ((facts.mode & 0o077) !== 0) {
    throw new AgentError({
      code: `${family}.mode`,
      exit: 'refused',
      message: `${facts.path} has mode ${facts.mode.toString(8).padStart(4, '0')}: others than its owner may use the secret in it`,
      fix: `chmod 600 ${facts.path}; if others can log in here, treat the secret as known to them`,
    });
  }
}

/** Hexadecimal digits that belong to the identity, for names: node ids are case-sensitive, host names are not. */
export function shortHash(identity: Identity): string {
  return createHash('sha256').update(identity.publicKey).digest('hex');
}

/** What everybody may know of a node. */
export function publicPart(identity: Identity) {
  return {
    id: identity.id,
    publicKey: identity.publicKey.toString('base64'),
    wireguardPublicKey: wireguardKeys(identity.seed).publicKey.toString('base64'),
    created: identity.created,
  };
}

function decodeFile(bytes: Uint8Array, path: string): IdentityFile {
  if (bytes.length === 0) throw corrupted(path, 'the file is empty');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // The parser's message may quote the file, and the file holds a secret: no cause is kept.
    throw corrupted(path, 'the file is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw corrupted(path, 'the file is not a JSON object');
  const file = value as Record<string, unknown>;
  if (file.version !== 1) throw corrupted(path, 'version is not 1; a newer agent may have written it');
  for (const key of ['id', 'publicKey', 'privateKey', 'created']) {
    if (typeof file[key] !== 'string') throw corrupted(path, `${key} is missing or not a text`);
  }
  return file as unknown as IdentityFile;
}

/** Canonical base64 of 32 bytes, or undefined. */
export function decodeKey(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

function corrupted(path: string, evidence: string): AgentError {
  return new AgentError({
    code: 'identity.corrupted',
    exit: 'refused',
    message: `${path} is not an identity that we can trust`,
    evidence,
    fix: REMEDY(path),
  });
}

const REMEDY = (path: string) =>
  `restore the file from a backup; or, to make this a new node, remove it from its cluster, then: rm ${path} && systemctl restart node-agent`;
