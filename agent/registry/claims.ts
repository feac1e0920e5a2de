import type { Labels } from '../config/labels.ts';
import type { Txn } from '../consensus/etcd/types.ts';
import type { FoundCondition } from '../engine/controller.ts';
import type { Member, SignedCard } from '../engine/resources.ts';
import { KEYS } from './keys.ts';
import type { Registry } from './registry.ts';

export interface Desired {
  readonly id: string;
  readonly name: string;
  /** The mesh address that we use now. */
  readonly address: string;
  readonly signed: SignedCard;
  /** Of our card. */
  readonly sequence: number;
  /** Of our settings. */
  readonly labels: Labels;
}

export interface Observed {
  readonly registry: Registry;
  readonly members: readonly Member[];
}

/** A transaction, and what a failed comparison means. */
export interface Action {
  readonly what: 'register' | 'claim-address' | 'claim-name' | 'release';
  readonly txn: Txn;
}

export interface Plan {
  readonly actions: readonly Action[];
  readonly conditions: readonly FoundCondition[];
}

/** After this long without its holder a name may be taken by a machine that bears it: one that was reinstalled. */
export const NAME_GRACE_MS = 60_000;

/**
 * What to write so that the registry says of this node what is so. An address and a name belong to whoever wrote
 * them first; a lost claim is left to the mesh, which sees the registry and moves. Pure.
 */
export function planClaims(
  { id, name, address, signed, sequence, labels }: Desired,
  { registry, members }: Observed,
  nowMs: number,
  now: Date,
): Plan {
  const actions: Action[] = [];
  const conditions: FoundCondition[] = [];
  if (registry.evicted.includes(id)) return { actions, conditions };

  for (const [ip, owner] of Object.entries(registry.addresses)) {
    if (owner === id && ip !== address) actions.push(release(KEYS.address(ip), id));
  }
  for (const [other, owner] of Object.entries(registry.names)) {
    if (owner === id && other !== name) actions.push(release(KEYS.name(other), id));
  }
  if (registry.addresses[address] === undefined) {
    actions.push(claim('claim-address', KEYS.address(address), id));
  } else if (registry.addresses[address] !== id) {
    conditions.push({
      code: 'registry.address-taken',
      state: 'waiting',
      summary: `the mesh address ${address} belongs to another node`,
      evidence: `it was claimed by ${registry.addresses[address]}`,
      endedBy: 'this node moves to another address by itself',
    });
  }

  const holder = registry.names[name];
  if (holder === undefined) actions.push(claim('claim-name', KEYS.name(name), id));
  else if (holder !== id && isGone(holder, id, registry, members, nowMs)) {
    actions.push(takeOver(KEYS.name(name), holder, id));
  } else if (holder !== id && !isHere(holder, members)) {
    conditions.push({
      code: 'registry.name-held',
      state: 'waiting',
      summary: `waiting for the name ${name}: a node that does not answer has it`,
      evidence: `the name belongs to ${holder}; if that was this machine before its disk was wiped, all is well`,
      endedBy: `this node takes it by itself a minute after the other was seen last; at once: node-agent evict ${holder}`,
    });
  } else if (holder !== id) {
    conditions.push({
      code: 'registry.name-taken',
      state: 'misconfigured',
      summary: `another node is called ${name}`,
      evidence: `the name belongs to ${holder}`,
      endedBy: `give this node another name in /etc/clusteros/node.yaml, or evict ${holder}`,
    });
  }

  const stored = registry.nodes.find((node) => node.id === id);
  const newest = stored === undefined ? undefined : sequenceOf(stored.signed);
  if (newest !== undefined && newest > sequence) {
    conditions.push({
      code: 'registry.newer-card',
      state: 'failed',
      summary: 'the cluster has a newer card of this node than the node itself',
      evidence: `card ${newest} in the registry, card ${sequence} here`,
      endedBy: 'if this disk was copied or put back from a backup: node-agent reset --yes; else wait',
    });
  } else if (stored === undefined || !sameCard(stored.signed, signed) || !sameLabels(stored.labels, labels)) {
    actions.push(register(id, signed, labels, stored?.registeredAt ?? now.toISOString()));
  }
  return { actions, conditions };
}

/** Has it left, or not been seen for so long that its claim to a name may go to another? Pure. */
function isGone(
  id: string,
  self: string,
  registry: Registry,
  members: readonly Member[],
  nowMs: number,
): boolean {
  const member = members.find((entry) => entry.id === id);
  if (member?.status === 'left') return true;
  if (member !== undefined) return member.status === 'failed' && nowMs - member.sinceMs > NAME_GRACE_MS;
  if (!registry.nodes.some((node) => node.id === id)) return true;
  // Serf may not have told us of it yet; once we are among others for a while, it has forgotten it.
  const own = members.find((entry) => entry.id === self);
  const amongOthers = members.some((entry) => entry.id !== self && entry.status === 'alive');
  return amongOthers && own?.status === 'alive' && nowMs - own.sinceMs > NAME_GRACE_MS;
}

function isHere(id: string, members: readonly Member[]): boolean {
  return members.some((entry) => entry.id === id && ['alive', 'leaving'].includes(entry.status));
}

/** The number of a card in the registry; undefined when it is not readable. Never throws. */
function sequenceOf({ body }: SignedCard): number | undefined {
  try {
    const { sequence } = JSON.parse(Buffer.from(body, 'base64').toString('utf8')) as { sequence?: unknown };
    return Number.isSafeInteger(sequence) ? (sequence as number) : undefined;
  } catch {
    return undefined;
  }
}

function sameCard(a: SignedCard, b: SignedCard): boolean {
  return a.body === b.body && a.signature === b.signature && a.mac === b.mac;
}

function sameLabels(a: Labels = {}, b: Labels): boolean {
  const keys = Object.keys({ ...a, ...b });
  return keys.every((key) => a[key] === b[key]);
}

function register(id: string, signed: SignedCard, labels: Labels, registeredAt: string): Action {
  const { body, signature, mac } = signed;
  const some = Object.keys(labels).length === 0 ? {} : { labels };
  const value = JSON.stringify({ signed: { body, signature, mac }, registeredAt, ...some });
  return {
    what: 'register',
    txn: {
      // An evicted node may be the last to hear of it.
      compare: [
        { key: KEYS.evicted(id), target: 'create', value: '0' },
        { key: KEYS.leaving(id), target: 'create', value: '0' },
      ],
      success: [{ kind: 'put', key: KEYS.node(id), value }],
    },
  };
}

function claim(what: Action['what'], key: string, id: string): Action {
  return {
    what,
    txn: {
      compare: [
        { key, target: 'create', value: '0' },
        { key: KEYS.evicted(id), target: 'create', value: '0' },
        { key: KEYS.leaving(id), target: 'create', value: '0' },
      ],
      success: [{ kind: 'put', key, value: id }],
    },
  };
}

/** With the name goes the record: who was wiped would be shown as absent for ever. One that lives writes its own again. */
function takeOver(key: string, from: string, id: string): Action {
  return {
    what: 'claim-name',
    txn: {
      compare: [
        { key, target: 'value', value: from },
        { key: KEYS.evicted(id), target: 'create', value: '0' },
      ],
      success: [
        { kind: 'put', key, value: id },
        { kind: 'delete', key: KEYS.node(from) },
      ],
    },
  };
}

function release(key: string, id: string): Action {
  return {
    what: 'release',
    txn: { compare: [{ key, target: 'value', value: id }], success: [{ kind: 'delete', key }] },
  };
}
