import type { Contact, KnownCard, Member } from '../engine/resources.ts';
import { parseIp, sameAddress, withPort } from './addresses.ts';

/** What was tried so far, by node id. */
export type JoinTries = Readonly<Record<string, Tries>>;

interface Tries {
  readonly count: number;
  /** Monotonic ms. */
  readonly lastMs: number;
}

export interface JoinInput {
  readonly ownId: string;
  /** Where we are ourselves: with user networking others may claim our address. */
  readonly own: { readonly addresses: readonly string[]; readonly port: number };
  readonly cards: readonly KnownCard[];
  readonly contacts: readonly Contact[];
  readonly members: readonly Member[];
  /** Node ids that shall not be invited: evicted ones. */
  readonly refused: ReadonlySet<string>;
  readonly tries: JoinTries;
  /**
   * A join has succeeded since this Serf was started. What Serf rejoins by itself from its snapshot is told to
   * nobody as a join, and those who remember that we were forced to leave list us as "leaving" for ever
   * (hashicorp/serf, `handleNodeJoin`).
   */
  readonly announced: boolean;
  readonly nowMs: number;
}

interface JoinPlan {
  /** `IP:port`, at most {@link JOINS_AT_ONCE}; those that were heard just now come first. */
  readonly addresses: readonly string[];
  /** To be kept once the join is on its way. */
  readonly tries: JoinTries;
  /** When there will be something to do, if nothing changes. */
  readonly againMs: number;
}

/** Serf tries them one after the other and gives each 10 s. */
const JOINS_AT_ONCE = 3;
/** Heard within this time: it can be expected to answer. */
const HEARD_MS = 30_000;
const FIRST_MS = 1_000;
const HEARD_LONGEST_MS = 8_000;
const SILENT_LONGEST_MS = 30_000;
const IDLE_MS = 10_000;

interface Target {
  readonly id: string;
  readonly heard: boolean;
  readonly addresses: readonly string[];
  readonly dueMs: number;
  readonly count: number;
}

/**
 * Whom to join next: nodes with a verified card that are no living members, and members that have failed, for
 * ever, with growing pauses. Of the silent ones only one at a time, so that dead machines do not keep those
 * waiting that are there. When a cut network heals, one success merges both sides. A Serf that was started joins
 * at least one living member. Pure.
 */
export function planJoins(input: JoinInput): JoinPlan {
  const targets = [...targetsOf(input), ...announcement(input)];
  const due = targets.filter(({ dueMs }) => dueMs <= input.nowMs).sort((a, b) => a.dueMs - b.dueMs);
  const heard = due.filter((target) => target.heard);
  const silent = due.filter((target) => !target.heard).slice(0, 1);
  const chosen = [...heard.slice(0, JOINS_AT_ONCE - silent.length), ...silent];
  const tries: Record<string, Tries> = {};
  for (const { id, count } of targets) {
    const before = input.tries[id];
    if (chosen.some((target) => target.id === id)) tries[id] = { count: count + 1, lastMs: input.nowMs };
    else if (before !== undefined) tries[id] = before;
  }
  const waits = targets.filter((target) => !chosen.includes(target)).map(({ dueMs }) => dueMs - input.nowMs);
  return {
    addresses: chosen.map(({ addresses, count }) => addresses[count % addresses.length] as string),
    tries,
    againMs: Math.max(FIRST_MS, Math.min(IDLE_MS, ...waits)),
  };
}

function targetsOf(input: JoinInput): Target[] {
  const status = new Map(input.members.map((member) => [member.id, member]));
  const ids = new Set([
    ...input.cards.map(({ card }) => card.id),
    ...input.members.filter((member) => member.status === 'failed').map(({ id }) => id),
  ]);
  ids.delete(input.ownId);
  const targets: Target[] = [];
  for (const id of ids) {
    const member = status.get(id);
    if (input.refused.has(id) || member?.status === 'alive' || member?.status === 'leaving') continue;
    const known = input.cards.find(({ card }) => card.id === id);
    const contacts = input.contacts.filter((contact) => contact.id === id);
    const heardMs = Math.max(
      known?.provenMs ?? Number.NEGATIVE_INFINITY,
      ...contacts.filter(({ via }) => via === 'beacon').map((contact) => contact.heardMs),
    );
    const heard = input.nowMs - heardMs <= HEARD_MS;
    // Who has said good-bye is left in peace until he speaks again.
    if (member?.status === 'left' && !heard) continue;
    const port = known?.card.ports.gossip ?? member?.port;
    if (port === undefined) continue;
    const addresses = distinct([
      ...(known?.address === undefined ? [] : [known.address]),
      ...contacts.map(({ address }) => address),
      ...(member === undefined ? [] : [member.address]),
      ...(known?.card.addresses ?? []),
    ]).filter((address) => port !== input.own.port || !input.own.addresses.includes(address));
    const usable = addresses.filter((address) => parseIp(address) !== undefined);
    if (usable.length === 0) continue;
    targets.push({
      ...{ id, heard, ...turnOf(input, id, heard ? HEARD_LONGEST_MS : SILENT_LONGEST_MS) },
      addresses: usable.map((address) => withPort(address, port)),
    });
  }
  return targets;
}

/** Any living member will do; the tries are counted under our own id. */
function announcement(input: JoinInput): Target[] {
  const { ownId, announced, members } = input;
  const living = members.filter(({ id, status }) => id !== ownId && status === 'alive');
  if (announced || living.length === 0) return [];
  const addresses = living.map(({ address, port }) => withPort(address, port));
  return [{ id: ownId, heard: true, addresses, ...turnOf(input, ownId, HEARD_LONGEST_MS) }];
}

function turnOf({ tries, nowMs }: JoinInput, id: string, longestMs: number) {
  const { [id]: before } = tries;
  if (before === undefined) return { dueMs: nowMs, count: 0 };
  const pauseMs = Math.min(longestMs, FIRST_MS * 2 ** Math.min(before.count - 1, 20));
  return { dueMs: before.lastMs + pauseMs, count: before.count };
}

function distinct(addresses: readonly string[]): string[] {
  return addresses.filter(
    (address, index) => addresses.findIndex((other) => sameAddress(other, address)) === index,
  );
}
