import { clusterSubkey, fingerprint } from '../identity/keys.ts';
import { type BeaconKey, beaconKey } from './beacon.ts';

/** A cluster key in all forms that discovery needs. */
export interface DiscoveryKey {
  readonly fingerprint: string;
  readonly beacon: BeaconKey;
  /** For the MAC of cards. */
  readonly card: Buffer;
  /** Pre-shared key of the peer channel. */
  readonly channel: Buffer;
}

/** Derives each key once: beacons come every second. */
export function createKeyring(): (clusterKeys: readonly Buffer[]) => readonly DiscoveryKey[] {
  let derived = new Map<string, DiscoveryKey>();
  return (clusterKeys) => {
    const next = new Map<string, DiscoveryKey>();
    for (const key of clusterKeys) {
      const name = key.toString('hex');
      next.set(name, derived.get(name) ?? derive(key));
    }
    derived = next;
    return [...next.values()];
  };
}

function derive(key: Buffer): DiscoveryKey {
  return {
    fingerprint: fingerprint(key),
    beacon: beaconKey(key),
    card: clusterSubkey(key, 'card'),
    channel: clusterSubkey(key, 'channel'),
  };
}
