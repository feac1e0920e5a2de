/**
 * What the paths to the peers carry. A tunnel, a vSwitch or a router on the way may drop what is larger than it likes
 * and say nothing: gossip and handshakes pass, and the first large write stops. Pure.
 */
import type { FoundCondition } from '../engine/controller.ts';
import { ageOf, type Contacts } from './handshakes.ts';
import { FRESH_SECONDS, type PlannedPeer } from './peers.ts';

/** What was measured of the path to a peer. */
export interface Path {
  readonly endpoint: string | undefined;
  /**
   * The largest packet of the mesh that came back after a larger one did not; 0 when not even the smallest of
   * {@link SIZES} did, {@link UNLIMITED} when whatever was sent came back.
   */
  readonly carries: number;
  readonly measuredMs: number;
  readonly checkedMs: number;
}

/** By public key. */
export type Paths = ReadonlyMap<string, Path>;

/** WireGuard fills packets up to a multiple of 16 bytes. IPv6 allows no less than the last. */
const SIZES = [8_912, 4_000, 1_408, 1_392, 1_376, 1_360, 1_344, 1_328, 1_312, 1_296, 1_280] as const;
const LEAST = 1_280;
export const UNLIMITED = Number.POSITIVE_INFINITY;

/** A path may change while its endpoint stays. */
const CHECK_MS = 60_000;
/** A size that failed is tried again after so long: with it the mesh stands still for some seconds if it fails. */
const FORGET_MS = 6 * 3_600_000;
/** Of one pass: each is a few datagrams a minute. */
const CHECKS_AT_ONCE = 4;

/** Peers whose path is to be looked at now: those with a session, a few at a time. */
export function duePaths(peers: readonly PlannedPeer[], contacts: Contacts, paths: Paths, nowMs: number) {
  const due = peers.filter(({ publicKey, endpoint }) => {
    const age = ageOf(contacts.get(publicKey), nowMs);
    const path = paths.get(publicKey);
    if (endpoint === undefined || age === undefined || age >= FRESH_SECONDS) return false;
    return path === undefined || path.endpoint !== endpoint || nowMs - path.checkedMs >= CHECK_MS;
  });
  const last = ({ publicKey }: PlannedPeer) => paths.get(publicKey)?.checkedMs ?? 0;
  return due.sort((a, b) => last(a) - last(b)).slice(0, CHECKS_AT_ONCE);
}

/** Those of peers that are still there, by the way that was measured, and not too long ago. */
export function keptPaths(peers: readonly PlannedPeer[], paths: Paths, nowMs: number): Map<string, Path> {
  return new Map(
    peers.flatMap(({ publicKey, endpoint }) => {
      const path = paths.get(publicKey);
      const isKept = path?.endpoint === endpoint && nowMs - (path?.measuredMs ?? 0) < FORGET_MS;
      return path !== undefined && isKept ? [[publicKey, path] as const] : [];
    }),
  );
}

/**
 * The MTU of the interface: what every path carries. It falls at once and rises only when the path that held it down
 * is gone, so that it never swings.
 *
 * @param most by the settings
 */
export function mtuFor(paths: Paths, most: number): number {
  return Math.max(LEAST, Math.min(most, ...[...paths.values()].map(({ carries }) => carries)));
}

/** The sizes below one that did not pass, from the largest. */
export function sizesBelow(size: number): number[] {
  return SIZES.filter((each) => each < size);
}

/** Peers that answer small packets and none of the smallest that a mesh may have. */
export function blackHoles(
  peers: readonly PlannedPeer[],
  paths: Paths,
  nameOf: (id: string) => string,
): FoundCondition[] {
  const stuck = peers.filter(({ publicKey }) => paths.get(publicKey)?.carries === 0);
  if (stuck.length === 0) return [];
  return [
    {
      code: 'mesh.mtu',
      state: 'waiting',
      summary: `packets of ${LEAST} bytes do not reach ${stuck.map(({ id, endpoint }) => `${nameOf(id)} at ${endpoint}`).join(', ')}`,
      evidence: `small packets pass through the mesh, packets of ${LEAST} bytes are lost on the way`,
      endedBy: `let the network between these machines carry packets of ${LEAST + 80} bytes: its MTU, or that of the tunnel or vSwitch on the way`,
    },
  ];
}
