import { EtcdError } from '../consensus/etcd/types.ts';
import type { Controller, FoundCondition, Outcome, View } from '../engine/controller.ts';
import { AgentError } from '../errors.ts';
import { cardFacts } from '../events/card-facts.ts';
import type { Events } from '../events/recorder.ts';
import { fingerprint, wireguardKeys } from '../identity/keys.ts';
import type { Log } from '../log.ts';
import type { KeyHolder } from './held-keys.ts';
import { type HeldKeys, isPast, type Rotation } from './rotation.ts';
import { type PassResult, rotationPass } from './rotation-pass.ts';
import { type RotationEtcd, readRotation } from './rotation-records.ts';

interface RotationDeps {
  readonly etcd: RotationEtcd;
  readonly keys: KeyHolder;
  readonly events: Pick<Events, 'record'>;
  readonly log: Log;
  /** Monotonic ms. */
  readonly now: () => number;
  /** In [0, 1), to spread load. */
  readonly random: () => number;
  /** Do Serf and etcd here run with these keys? */
  readonly isApplied: (held: HeldKeys) => Promise<boolean>;
  /** Others hold keys in another way now: have the engines look. */
  readonly changed: () => void;
}

/** Any member's copy is asked for news this often; the disk is looked at as well. */
const IDLE_MS = 5_000;
const ACTIVE_MS = 1_000;
/** Who was alive a moment ago is waited for: an engine that starts again is not gone. */
const ALIVE_MS = 30_000;
export const STUCK_MS = 120_000;

/** Follows the change of the cluster key that stands in etcd; beside the Raft leader it drives it. */
export function rotationController(deps: RotationDeps): Controller {
  const { etcd, keys, now } = deps;
  const seenMs = new Map<string, number>();
  let active = false;
  let lookMs = Number.NEGATIVE_INFINITY;
  let told = '';
  let wait = { mark: '', sinceMs: 0 };

  const idleMs = () => IDLE_MS * (0.8 + 0.4 * deps.random());

  async function pass(view: View, self: { id: string; seed: Buffer }, nowMs: number): Promise<PassResult> {
    const consensus = view.get('consensus');
    const evicted = new Set(view.get('registry')?.evicted ?? []);
    const alive = [...seenMs].flatMap(([id, atMs]) => (nowMs - atMs < ALIVE_MS ? [id] : []));
    return rotationPass(
      etcd,
      { store: keys, apply: deps.isApplied, fingerprint },
      {
        id: self.id,
        meshPrivateKey: wireguardKeys(self.seed).privateKey,
        isVoter: consensus?.voters.includes(self.id) ?? false,
        drives: consensus?.leader === self.id,
      },
      {
        alive: [...new Set([self.id, ...alive])].filter((id) => !evicted.has(id)),
        voters: consensus?.voters ?? [],
        quorum: consensus?.quorum ?? false,
      },
    );
  }

  function tell(rotation: Rotation | undefined): void {
    const mark = rotation === undefined ? '' : `${rotation.id} ${rotation.phase}`;
    if (mark === told || rotation === undefined) return;
    told = mark;
    const { phase, oldFingerprint, newFingerprint } = rotation;
    deps.events.record({
      kind: phase === 'done' ? 'key.rotated' : 'key.rotation',
      summary: `the cluster key changes from ${oldFingerprint} to ${newFingerprint}: ${WORDS[phase]}`,
      details: { phase, from: oldFingerprint, to: newFingerprint },
    });
  }

  function stuck(view: View, { rotation, waitsFor }: PassResult, nowMs: number): FoundCondition[] {
    const mark = waitsFor === undefined ? '' : `${rotation?.phase} ${rotation?.turn} ${waitsFor.reason}`;
    if (mark !== wait.mark) wait = { mark, sinceMs: nowMs };
    if (waitsFor === undefined || nowMs - wait.sinceMs < STUCK_MS) return [];
    const names = waitsFor.nodes.map((id) => nameOf(view, id)).join(', ');
    return [
      {
        code: 'rotation.stuck',
        state: 'waiting',
        summary: `the change of the cluster key waits${names === '' ? '' : ` for ${names}`}`,
        evidence: `phase ${rotation?.phase ?? 'unknown'}: ${waitsFor.reason}`,
        endedBy:
          'mend the named nodes (node-agent status on them), or turn them off: one that is off is not waited for',
      },
    ];
  }

  return {
    name: 'rotation',
    inputs: ['facts', 'gossip', 'consensus', 'registry'],
    outputs: [],
    async reconcile(view): Promise<Outcome> {
      const nowMs = now();
      const identity = view.get('facts')?.identity;
      for (const { id, status } of view.get('gossip')?.members ?? []) {
        if (status === 'alive') seenMs.set(id, nowMs);
      }
      if (!identity || identity instanceof AgentError) return {};
      const held = await keys.load();
      const consensus = view.get('consensus');
      if (held === undefined || consensus?.genesis === undefined || consensus.endpoints.length === 0) {
        return { againMs: IDLE_MS };
      }
      if (!active && nowMs < lookMs) return { againMs: lookMs - nowMs };
      try {
        if (!active) {
          lookMs = nowMs + idleMs();
          active = isOn((await readRotation(etcd, { serializable: true }))?.rotation, held);
          if (!active) return { againMs: lookMs - nowMs };
        }
        const result = await pass(view, identity, nowMs);
        tell(result.rotation);
        if (result.moved) deps.changed();
        const after = keys.now();
        active = result.moved || (after !== undefined && isOn(result.rotation, after));
        const conditions = stuck(view, result, nowMs);
        return { conditions, againMs: result.moved ? 0 : active ? ACTIVE_MS : idleMs() };
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        deps.log.debug('the change of the cluster key could not go on', { reason: error.message });
        const waitsFor = { nodes: [], reason: `etcd does not answer: ${error.message}` };
        const result = { rotation: undefined, moved: false, waitsFor };
        if (!active) return { againMs: idleMs() };
        return { conditions: stuck(view, result, nowMs), againMs: ACTIVE_MS };
      }
    },
  };
}

/** There is something to do, or to wait for. Pure. */
function isOn(rotation: Rotation | undefined, { current, next, reached }: HeldKeys): boolean {
  if (isPast(rotation, reached)) return false;
  if (next !== undefined) return true;
  if (rotation === undefined) return false;
  return rotation.phase !== 'done' || fingerprint(current) !== rotation.newFingerprint;
}

const WORDS: Readonly<Record<Rotation['phase'], string>> = {
  distribute: 'every node gets the new one',
  use: 'every node has it and sends with it',
  trust: 'etcd trusts both, node after node',
  certify: 'etcd shows new certificates',
  drop: 'the old one is given up, node after node',
  done: 'done',
};

function nameOf(view: View, id: string): string {
  const signed = view.get('registry')?.nodes.find((node) => node.id === id)?.signed;
  const name = signed && cardFacts(signed)?.name;
  return name ?? id.slice(0, 8);
}
