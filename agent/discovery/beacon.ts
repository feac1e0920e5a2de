import { createHmac, timingSafeEqual } from 'node:crypto';
import { base58 } from '@scure/base';
import { clusterSubkey, fingerprint } from '../identity/keys.ts';

/**
 * What a node calls out on each LAN. A beacon says only where to look: its sender proves who it is over the
 * peer channel. So a replayed beacon does no harm, and the MAC is there to keep strangers' noise out.
 */
interface Beacon {
  /** Node id. */
  readonly id: string;
  /** Of this run of the agent, 16 hexadecimal digits. */
  readonly instance: string;
  readonly peerPort: number;
  readonly gossipPort: number;
  /** UUID of the cluster that the node is in. */
  readonly genesis?: string | undefined;
}

export type Heard =
  | { readonly beacon: Beacon; readonly refused?: undefined }
  | { readonly beacon?: undefined; readonly refused: { readonly code: string; readonly reason: string } }
  /** Not meant for us. */
  | undefined;

/** A key in the forms that beacons need; made once for each key. */
export interface BeaconKey {
  readonly fingerprint: string;
  readonly mac: Buffer;
}

export const BEACON_SERVICE = '_clusteros._udp.local';

/**
 * Layout: `COSB`, version, public key (32), instance (8), peer port, gossip port (2 each, network order), key
 * fingerprint (4), length and text of the genesis, HMAC-SHA256 of all before (first 16).
 */
const MAGIC = Buffer.from('COSB');
const VERSION = 1;
const FIXED = 4 + 1 + 32 + 8 + 2 + 2 + 4 + 1;
const MAC_BYTES = 16;
const MOST_GENESIS = 64;
const MOST_BYTES = FIXED + MOST_GENESIS + MAC_BYTES;

export function beaconKey(clusterKey: Uint8Array): BeaconKey {
  return { fingerprint: fingerprint(clusterKey), mac: clusterSubkey(clusterKey, 'beacon') };
}

export function encodeBeacon(beacon: Beacon, key: BeaconKey): Buffer {
  const genesis = Buffer.from(beacon.genesis ?? '', 'latin1').subarray(0, MOST_GENESIS);
  const fixed = Buffer.alloc(FIXED);
  MAGIC.copy(fixed, 0);
  fixed[4] = VERSION;
  fixed.set(base58.decode(beacon.id), 5);
  fixed.set(Buffer.from(beacon.instance, 'hex'), 37);
  fixed.writeUInt16BE(beacon.peerPort, 45);
  fixed.writeUInt16BE(beacon.gossipPort, 47);
  fixed.set(Buffer.from(key.fingerprint, 'hex'), 49);
  fixed[53] = genesis.length;
  const body = Buffer.concat([fixed, genesis]);
  return Buffer.concat([body, macOf(body, key)]);
}

/**
 * Read a beacon under one of our keys. Never throws. Pure.
 *
 * @param bytes whatever came in
 * @param keys newest first
 */
export function decodeBeacon(bytes: Buffer, keys: readonly BeaconKey[]): Heard {
  if (bytes.length < FIXED + MAC_BYTES || !bytes.subarray(0, 4).equals(MAGIC)) return undefined;
  if (bytes[4] !== VERSION) {
    return refused('version', `its beacon has version ${bytes[4]}, ours is ${VERSION}`);
  }
  const length = bytes[53] ?? 0;
  if (bytes.length > MOST_BYTES || length > MOST_GENESIS || bytes.length !== FIXED + length + MAC_BYTES) {
    return refused('malformed', 'its beacon has a wrong length');
  }
  const mark = bytes.subarray(49, 53).toString('hex');
  const key = keys.find((one) => one.fingerprint === mark);
  if (key === undefined) return refused('other-key', otherKey(mark));
  const body = bytes.subarray(0, -MAC_BYTES);
  if (!timingSafeEqual(bytes.subarray(-MAC_BYTES), macOf(body, key))) {
    return refused('altered', 'its beacon was altered or forged');
  }
  const genesis = bytes.subarray(FIXED, FIXED + length).toString('latin1');
  const peerPort = bytes.readUInt16BE(45);
  const gossipPort = bytes.readUInt16BE(47);
  if (peerPort === 0 || gossipPort === 0 || !/^[0-9a-zA-Z-]*$/.test(genesis)) {
    return refused('malformed', 'its beacon holds an impossible value');
  }
  return {
    beacon: {
      id: base58.encode(bytes.subarray(5, 37)),
      instance: bytes.subarray(37, 45).toString('hex'),
      peerPort,
      gossipPort,
      genesis: genesis === '' ? undefined : genesis,
    },
  };
}

/** What a beacon claims that we cannot check, for lack of its key. */
type BeaconClaim = Pick<Beacon, 'instance' | 'peerPort'> & { readonly fingerprint: string };

/** Where a beacon under any key says that its sender listens. A place to ask at, and nothing more. Pure. */
export function claimOf(bytes: Buffer): BeaconClaim | undefined {
  if (bytes.length < FIXED + MAC_BYTES || bytes.length > MOST_BYTES) return undefined;
  if (!bytes.subarray(0, 4).equals(MAGIC) || bytes[4] !== VERSION) return undefined;
  const peerPort = bytes.readUInt16BE(45);
  if (peerPort === 0) return undefined;
  return {
    instance: bytes.subarray(37, 45).toString('hex'),
    peerPort,
    fingerprint: bytes.subarray(49, 53).toString('hex'),
  };
}

/** The strings of a TXT record, RFC 6763 section 6. */
export function beaconText(bytes: Uint8Array): string[] {
  return ['v=1', `b=${Buffer.from(bytes).toString('base64url')}`];
}

/** The beacon in the strings of a TXT record; undefined when there is none. Pure. */
export function beaconFromText(text: readonly string[]): Buffer | undefined {
  const found = text.find((part) => part.startsWith('b='));
  if (found === undefined || found.length > 255 || !/^b=[\w-]+$/.test(found)) return undefined;
  return Buffer.from(found.slice(2), 'base64url');
}

/** Said alike wherever a key does not fit. */
export function otherKey(mark: string): string {
  return `its cluster key is another (fingerprint ${mark})`;
}

function refused(code: string, reason: string): Heard {
  return { refused: { code, reason } };
}

function macOf(body: Uint8Array, key: BeaconKey): Buffer {
  return createHmac('sha256', key.mac).update(body).digest().subarray(0, MAC_BYTES);
}
