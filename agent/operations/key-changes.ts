import { REKEY } from '../discovery/channel/answering.ts';
import type { PeerChannel } from '../discovery/channel/channel.ts';
import type { Hint } from '../discovery/hints.ts';
import type { Refusals } from '../discovery/refusals.ts';
import type { Controller } from '../engine/controller.ts';
import type { Events } from '../events/recorder.ts';
import { fingerprint } from '../identity/keys.ts';
import type { Log } from '../log.ts';
import { createEnrolServer, ENROL_KIND } from './enrol.ts';
import { enrolmentController } from './enrolment.ts';
import type { KeyHolder } from './held-keys.ts';
import { keptEvictionsController } from './kept-evictions.ts';
import { caKeysOf, gossipKeys } from './key-uses.ts';
import { createLastVoters } from './last-voters.ts';
import { answerRekey } from './rekey.ts';
import { rekeyController } from './rekey-controller.ts';
import { keysInUse } from './rotation.ts';
import { rotationController } from './rotation-controller.ts';
import { type RotationEtcd, readRotation } from './rotation-records.ts';
import { tokenClock } from './token-clock.ts';
import { createTokenStore, type TokenEtcd } from './token-store.ts';

interface KeyChangeDeps {
  readonly state: string;
  readonly keys: KeyHolder;
  readonly etcd: RotationEtcd & TokenEtcd;
  readonly discovery: {
    readonly channel: PeerChannel;
    readonly hints: { list(): readonly Hint[] };
    readonly refusals: Refusals;
  };
  readonly gossip: { holdsKeys(keys: readonly Uint8Array[]): Promise<boolean>; wake(): void };
  readonly consensus: { hasApplied(caKeys: readonly Uint8Array[]): boolean; wake(): void };
  readonly self: () => string | undefined;
  readonly clusterName: () => string;
  readonly events: Pick<Events, 'record'>;
  readonly log: Log;
  /** Monotonic ms. */
  readonly now: () => number;
  readonly wallClock: () => Date;
  /** In [0, 1), to spread load. */
  readonly random: () => number;
  /** From the system's generator. */
  readonly randomBytes: (bytes: number) => Buffer;
}

export interface KeyChanges {
  readonly controllers: readonly Controller[];
  /** Etcd may be started again for new certificates now: during our turn, and after the key was replaced. */
  mayRestart(): boolean;
}

/** etcd has this long to start again after the key was replaced; then it waits for its turn like any other. */
const REPLACED_MS = 300_000;

/** All by which a node gets the cluster key or another one; registers what peers may ask for it. */
export function createKeyChanges(deps: KeyChangeDeps): KeyChanges {
  const { keys, etcd, events, log, now, random } = deps;
  const { channel, hints, refusals } = deps.discovery;
  let replacedMs = Number.NEGATIVE_INFINITY;
  const changed = () => {
    deps.gossip.wake();
    deps.consensus.wake();
  };
  const enrolServer = createEnrolServer({
    tokens: createTokenStore({ etcd, now: deps.wallClock, random: deps.randomBytes }),
    clusterKey: () => keys.now()?.current,
    clusterName: deps.clusterName,
    isRotating: async () => {
      const phase = (await readRotation(etcd))?.rotation.phase;
      return phase !== undefined && phase !== 'done';
    },
  });
  channel.handle(ENROL_KIND, async (peer) => {
    const answer = await enrolServer(peer.token, peer.id);
    if ('refused' in answer) refusals.record(peer.address, 'token', answer.refused);
    else
      events.record({
        kind: 'node.enrolled',
        summary: `gave the cluster key to the machine at ${peer.address}, by the token ${peer.token}`,
        node: peer.id,
        details: { address: peer.address, token: peer.token },
      });
    return answer;
  });
  channel.handle(REKEY, async ({ id, replacedKey, address }) => {
    const fingerprints = () => {
      const held = keys.now();
      return held === undefined ? [] : keysInUse(held).map(fingerprint);
    };
    const answer = await answerRekey({ etcd, fingerprints }, id, replacedKey);
    events.record({
      kind: 'key.given',
      summary: `gave the new cluster key to a node at ${address} that was away when it was changed`,
      node: id,
      details: { address, from: replacedKey, to: answer.newFingerprint },
    });
    return answer;
  });
  const common = { keys, events, log, now, random };
  return {
    mayRestart: () => keys.now()?.next !== undefined || now() - replacedMs < REPLACED_MS,
    controllers: [
      keptEvictionsController({ etcd, state: deps.state, events, wallClock: deps.wallClock }),
      tokenClock({ etcd, state: deps.state, wallClock: deps.wallClock, now: deps.now }),
      rotationController({
        ...common,
        etcd,
        isApplied: async (held) =>
          deps.consensus.hasApplied(caKeysOf(held)) && (await deps.gossip.holdsKeys(gossipKeys(held))),
        changed,
      }),
      rekeyController({
        ...common,
        channel,
        voters: createLastVoters(deps.state, deps.self),
        hints: hints.list,
        replaced: () => {
          replacedMs = now();
          changed();
        },
      }),
      enrolmentController({
        ...common,
        state: deps.state,
        call: channel.call,
        hints: hints.list,
        keyHeld: () => void keys.load(),
      }),
    ],
  };
}
