import * as path from 'node:path';
import * as z from 'zod';
import { type EtcdClient, EtcdError } from '../consensus/etcd/types.ts';
import type { Controller, Outcome } from '../engine/controller.ts';
import { AgentError } from '../errors.ts';
import { files } from '../host.ts';
import { readRecord } from '../own-record.ts';
import { KEYS } from '../registry/keys.ts';
import type { Token } from '../registry/registry.ts';

interface TokenClockDeps {
  readonly etcd: Pick<EtcdClient, 'txn'>;
  readonly state: string;
  readonly wallClock: () => Date;
  /** Monotonic ms. */
  readonly now: () => number;
}

/** By token id: ms of our own time of day at which we saw it first. */
type FirstSeen = Readonly<Record<string, number>>;

const LOOK_MS = 10_000;
const LIMIT = 1024 * 1024;
const fileSchema = z.record(z.string().max(64), z.number());

/**
 * Tokens whose lifetime is over by one local clock. Only differences count: a wrong date neither ends nor prolongs a
 * token. Pure.
 */
export function agedTokens(
  before: FirstSeen,
  tokens: readonly Pick<Token, 'id' | 'ttlSeconds'>[],
  nowMs: number,
): { readonly seen: FirstSeen; readonly over: readonly string[] } {
  const seen = Object.fromEntries(tokens.map(({ id }) => [id, before[id] ?? nowMs]));
  const over = tokens.flatMap(({ id, ttlSeconds }) =>
    ttlSeconds !== undefined && nowMs - (seen[id] ?? nowMs) >= ttlSeconds * 1000 ? [id] : [],
  );
  return { seen, over };
}

/**
 * Each voter ends a token once its lifetime has passed since this voter first saw it: by the wall clock, whose first
 * sight survives restarts, or by the monotonic clock since the agent started. The earliest clock of all voters ends a
 * token; one that is slow or set back cannot prolong it.
 */
export function tokenClock({ etcd, state, wallClock, now }: TokenClockDeps): Controller {
  const file = path.join(state, 'tokens-seen.json');
  let seen: FirstSeen | undefined;
  let seenHere: FirstSeen = {};
  let saved = '';
  const ended = new Set<string>();
  return {
    name: 'token-clock',
    inputs: ['facts', 'consensus', 'registry'],
    outputs: [],
    async reconcile(view): Promise<Outcome> {
      const identity = view.get('facts')?.identity;
      const { voters = [], quorum = false } = view.get('consensus') ?? {};
      const tokens = view.get('registry')?.tokens ?? [];
      if (!identity || identity instanceof AgentError || !voters.includes(identity.id)) return {};
      seen ??= await load(file);
      const aged = agedTokens(seen, tokens, wallClock().getTime());
      const agedHere = agedTokens(seenHere, tokens, now());
      [seen, seenHere] = [aged.seen, agedHere.seen];
      const over = new Set([...aged.over, ...agedHere.over]);
      // Before anything is written: a full disk must not prolong a token.
      if (quorum) await end([...over].filter((id) => !ended.has(id)));
      const text = JSON.stringify(seen);
      if (text !== saved) await files.writeDurable(file, `${text}\n`, 0o600);
      saved = text;
      return tokens.length > 0 ? { againMs: LOOK_MS } : {};
    },
  };

  async function end(over: readonly string[]): Promise<void> {
    try {
      for (const id of over) {
        await etcd.txn({ compare: [], success: [{ kind: 'delete', key: KEYS.tokenLife(id) }] });
        ended.add(id);
      }
    } catch (error) {
      // The next look does it; so do the other voters, and the lease.
      if (!(error instanceof EtcdError)) throw error;
    }
  }
}

/** Without the file every token is new to us: it ends by the others' clocks and by its lease. */
async function load(file: string): Promise<FirstSeen> {
  return (await readRecord(file, LIMIT, fileSchema)) ?? {};
}
