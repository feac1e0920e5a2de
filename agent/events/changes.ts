import type { Refusal } from '../discovery/refusals.ts';
import type { Resources } from '../engine/resources.ts';
import type { Condition } from '../status.ts';
import { cardFacts } from './card-facts.ts';
import type { Happening } from './event.ts';
import { memberChanges } from './member-changes.ts';

/** What is compared: the resources, and what else an operator would call a change. */
export type Observed = Partial<Resources> & {
  readonly conditions?: readonly Pick<Condition, 'code' | 'summary' | 'state'>[];
  readonly refusals?: readonly Refusal[];
};

/** What a node is called in an event. */
export type NameOf = (id: string) => string;

/**
 * What happened between two looks, in the order in which people would tell it. The first look of an agent is
 * compared with `{}`: what is found then is no news, but for conditions and refusals. Pure.
 */
export function changesBetween(before: Observed, after: Observed): Happening[] {
  const nameOf = namesFrom(before, after);
  return [
    ...genesisChanges(before, after, nameOf),
    ...memberChanges(before.gossip, after.gossip, nameOf),
    ...addressChanges(before, after),
    ...consensusChanges(before, after, nameOf),
    ...roleChanges(before, after, nameOf),
    ...evictionChanges(before, after, nameOf),
    ...conditionChanges(before, after),
    ...newRefusals(before, after),
  ];
}

function namesFrom(before: Observed, after: Observed): NameOf {
  const signed = [before, after].flatMap(({ ownCard, cards = [], registry }) => [
    ...(registry?.nodes ?? []).map((node) => node.signed),
    ...cards.map((known) => known.signed),
    ...(ownCard === undefined ? [] : [ownCard]),
  ]);
  const names = new Map(signed.flatMap((card) => cardFacts(card) ?? []).map(({ id, name }) => [id, name]));
  return (id) => names.get(id) ?? id.slice(0, 8);
}

function genesisChanges(before: Observed, after: Observed, nameOf: NameOf): Happening[] {
  const [old, now] = [before.consensus, after.consensus];
  if (before.consensus === undefined || now?.genesis === undefined) return [];
  const { uuid, founder } = now.genesis;
  if (old?.genesis?.uuid !== uuid) {
    const summary = `joined the cluster ${uuid.slice(0, 8)}, founded by ${nameOf(founder)}`;
    return [{ kind: 'cluster.genesis', summary, node: founder, details: { uuid, confirmed: now.confirmed } }];
  }
  if (!old.confirmed && now.confirmed) {
    return [{ kind: 'cluster.confirmed', summary: `the cluster ${uuid.slice(0, 8)} is confirmed` }];
  }
  return [];
}

function addressChanges(before: Observed, after: Observed): Happening[] {
  const found: Happening[] = [];
  if (before.links !== undefined && after.links !== undefined) {
    const listOf = ({ links = [] }: Observed) =>
      links.flatMap(({ name, addresses }) => addresses.map(({ address }) => `${address} (${name})`));
    const [old, now] = [listOf(before), listOf(after)];
    for (const entry of now) if (!old.includes(entry)) found.push(address('gained', entry));
    for (const entry of old) if (!now.includes(entry)) found.push(address('lost', entry));
  }
  const [old, now] = [before.mesh?.address, after.mesh?.address];
  if (old !== undefined && now !== undefined && old !== now) {
    found.push({ kind: 'mesh.address', summary: `our mesh address changed from ${old} to ${now}` });
  }
  return found;
}

function address(word: 'gained' | 'lost', entry: string): Happening {
  return { kind: `address.${word}`, summary: `${word} the address ${entry}` };
}

function consensusChanges(before: Observed, after: Observed, nameOf: NameOf): Happening[] {
  const [old, now] = [before.consensus, after.consensus];
  if (old === undefined || now === undefined) return [];
  const found: Happening[] = [];
  if (old.quorum !== now.quorum) {
    found.push(
      now.quorum
        ? { kind: 'quorum.regained', summary: 'the cluster has a quorum' }
        : { kind: 'quorum.lost', summary: 'the quorum is lost, or cannot be reached from here' },
    );
  }
  if (now.leader !== undefined && now.leader !== old.leader) {
    const summary = `${nameOf(now.leader)} leads`;
    found.push({ kind: 'leader.changed', summary, node: now.leader, details: { before: old.leader } });
  }
  const added = now.voters.filter((id) => !old.voters.includes(id));
  // An empty list says that etcd could not be asked, not that nobody votes.
  const removed = now.voters.length === 0 ? [] : old.voters.filter((id) => !now.voters.includes(id));
  for (const id of old.voters.length === 0 ? [] : added)
    found.push({ kind: 'voter.added', summary: `${nameOf(id)} votes`, node: id });
  for (const id of removed)
    found.push({ kind: 'voter.removed', summary: `${nameOf(id)} no longer votes`, node: id });
  return found;
}

function roleChanges(before: Observed, after: Observed, nameOf: NameOf): Happening[] {
  if (before.registry === undefined || after.registry === undefined) return [];
  const found: Happening[] = [];
  const [old, now] = [before.registry.holders, after.registry.holders];
  for (const { role, id, fence } of now) {
    if (old.some((holder) => holder.role === role && holder.fence === fence)) continue;
    const summary = `${nameOf(id)} took the role ${role}`;
    found.push({ kind: 'role.taken', summary, node: id, details: { role, fence } });
  }
  for (const { role, id } of old) {
    if (now.some((holder) => holder.role === role)) continue;
    const summary = `${nameOf(id)} lost the role ${role}; nobody holds it`;
    found.push({ kind: 'role.lost', summary, node: id, details: { role } });
  }
  return found;
}

function evictionChanges(before: Observed, after: Observed, nameOf: NameOf): Happening[] {
  if (before.registry === undefined || after.registry === undefined) return [];
  const [old, now] = [before.registry.evicted, after.registry.evicted];
  const tell = (kind: string, word: string) => (id: string) => ({
    kind,
    summary: `${nameOf(id)} was ${word}`,
    node: id,
  });
  return [
    ...now.filter((id) => !old.includes(id)).map(tell('node.evicted', 'evicted')),
    ...old.filter((id) => !now.includes(id)).map(tell('node.readmitted', 'readmitted')),
  ];
}

function conditionChanges(
  { conditions: old = [] }: Observed,
  { conditions: now = [] }: Observed,
): Happening[] {
  const isIn = (list: typeof old, code: string) => list.some((condition) => condition.code === code);
  return [
    ...now
      .filter(({ code }) => !isIn(old, code))
      .map(({ code, summary, state }) => ({ kind: 'condition.begun', summary, details: { code, state } })),
    ...old
      .filter(({ code }) => !isIn(now, code))
      .map(({ code, summary }) => ({
        kind: 'condition.ended',
        summary: `over: ${summary}`,
        details: { code },
      })),
  ];
}

/** Once for each peer and reason: how often it then tries is for the status to say. */
function newRefusals({ refusals: old = [] }: Observed, { refusals: now = [] }: Observed): Happening[] {
  const known = new Set(old.map((refusal) => `${refusal.address} ${refusal.code}`));
  return now
    .filter((refusal) => !known.has(`${refusal.address} ${refusal.code}`))
    .reverse()
    .map(({ address: from, code, reason }) => ({
      kind: 'peer.refused',
      summary: `${from} failed authentication: ${reason}`,
      details: { address: from, code },
    }));
}
