import type { FoundCondition } from '../engine/controller.ts';
import { AgentError } from '../errors.ts';
import { files } from '../host.ts';
import type { Log } from '../log.ts';

/**
 * Two machines with one identity: a disk was cloned. Both hold the private key, so each proves to be the node;
 * what tells them apart is the instance, a random number of each run of the agent. Seen are only runs that
 * answer at this moment over the peer channel: our own previous run cannot.
 */
export interface Standing {
  /** 16 hexadecimal digits, random, of this run of the agent. */
  readonly instance: string;
  /** Ms for which this run has been in a cluster, by the monotonic clock; 0 when it is in none. */
  readonly memberMs: number;
  /** It has yielded to another machine with the same identity. */
  readonly duplicate: boolean;
}

export interface Clones {
  standing(): Standing;
  /** A run with our identity and another instance has proved itself; both sides judge by the same numbers. */
  met(own: Standing, other: Standing, address: string): 'keeps' | 'yields';
  /** A majority of the voters says that our identity is in use elsewhere. */
  told(address: string): void;
  /** We are the one to stand back: engines must not run under this identity here. */
  isClone(): boolean;
  setMember(member: boolean): void;
  conditions(): readonly FoundCondition[];
  /** What an earlier run had found; call it before the engines start. */
  load(): Promise<void>;
  /** Write what was found, if it changed. */
  save(): Promise<void>;
  /** Called when {@link isClone} may have changed. */
  onChange(call: () => void): void;
}

interface CloneDeps {
  readonly instance: string;
  readonly file: string;
  readonly log: Log;
  /** Monotonic ms. */
  readonly now: () => number;
}

/**
 * A machine that yielded takes the identity back when the other has not been seen for this long: longer than
 * a reboot or an upgrade of the other takes, or it would come back as the newcomer.
 */
const FORGET_MS = 10 * 60_000;
const MOST = 16;

/**
 * Whether `own` keeps the identity against `other`. One that has yielded to someone yields on; then the longer
 * membership counts, then the lower instance. Antisymmetric: both sides, with the same two standings, agree.
 * Pure.
 */
export function judge(own: Standing, other: Standing): 'keeps' | 'yields' {
  if (own.duplicate !== other.duplicate) return own.duplicate ? 'yields' : 'keeps';
  if (own.memberMs !== other.memberMs) return own.memberMs > other.memberMs ? 'keeps' : 'yields';
  return own.instance < other.instance ? 'keeps' : 'yields';
}

export function createClones({ instance, file, log, now }: CloneDeps): Clones {
  /** To whom we yielded, by instance, and when it was last seen. */
  const stronger = new Map<string, { readonly address: string; readonly seenMs: number }>();
  let memberSince: number | undefined;
  let changed = () => {};
  let saved = '';
  const alive = () => [...stronger].filter(([, { seenMs }]) => now() - seenMs < FORGET_MS);
  const yieldTo = (key: string, address: string) => {
    const before = alive().length > 0;
    stronger.delete(key);
    stronger.set(key, { address, seenMs: now() });
    const [oldest] = stronger.keys();
    if (stronger.size > MOST && oldest !== undefined) stronger.delete(oldest);
    if (!before) {
      log.error('this identity is in use on another machine; this one stands back', { peer: address });
      changed();
    }
  };
  return {
    standing: () => ({
      instance,
      memberMs: memberSince === undefined ? 0 : Math.max(0, Math.floor(now() - memberSince)),
      duplicate: alive().length > 0,
    }),
    met(own, other, address) {
      const verdict = judge(own, other);
      if (verdict === 'yields') yieldTo(other.instance, address);
      else {
        log.warning('another machine has our identity: a cloned disk; it was told to stand back', {
          peer: address,
        });
        if (stronger.delete(other.instance)) changed();
      }
      return verdict;
    },
    told: (address) => yieldTo(`told:${address}`, address),
    isClone: () => alive().length > 0,
    setMember(member) {
      if (!member) memberSince = undefined;
      else memberSince ??= now();
    },
    conditions: () =>
      alive()
        .slice(-1)
        .map(([, { address }]) => duplicateAt(address)),
    async load() {
      for (const address of await readAddresses(file, log)) {
        stronger.set(`told:${address}`, { address, seenMs: now() });
      }
      saved = textOf(alive());
    },
    async save() {
      const text = textOf(alive());
      if (text === saved) return;
      if (text === '[]\n') await files.remove(file);
      else await files.writeDurable(file, text, 0o600);
      saved = text;
    },
    onChange(call) {
      changed = call;
    },
  };
}

function textOf(alive: readonly (readonly [string, { readonly address: string }])[]): string {
  return `${JSON.stringify([...new Set(alive.map(([, { address }]) => address))].sort())}\n`;
}

async function readAddresses(file: string, log: Log): Promise<string[]> {
  try {
    const found = await files.readLimited(file, 4096);
    const value: unknown = found === undefined ? [] : JSON.parse(found.bytes.toString('utf8'));
    if (!Array.isArray(value)) return [];
    return value.filter((one): one is string => typeof one === 'string' && one.length <= 64).slice(0, MOST);
  } catch (error) {
    // Only a memory of what the next meeting shows again.
    if (!(error instanceof SyntaxError || error instanceof AgentError)) throw error;
    log.warning('what was known of a second machine with our identity is lost', { reason: error.message });
    return [];
  }
}

function duplicateAt(address: string): FoundCondition {
  return {
    code: 'identity.duplicate',
    state: 'failed',
    summary: `the machine at ${address} has the same identity: one is a clone of the other's disk`,
    evidence: 'that machine has been a member for longer, so this one stands back',
    endedBy:
      'to make this a new node: sudo node-agent reset --yes (here); or switch off the other machine for 10 minutes',
  };
}
