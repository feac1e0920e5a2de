import type { Gossip, Member } from '../engine/resources.ts';
import type { NameOf } from './changes.ts';
import type { Happening } from './event.ts';

/**
 * What became of members. While Serf does not run, or has just begun to, its list says nothing: an agent that
 * restarts must not tell that everybody joined. Pure.
 */
export function memberChanges(
  before: Gossip | undefined,
  after: Gossip | undefined,
  nameOf: NameOf,
): Happening[] {
  if (!before?.running || !after?.running || before.members.length === 0) return [];
  const old = new Map(before.members.map((member) => [member.id, member]));
  const now = new Set(after.members.map(({ id }) => id));
  return [
    ...after.members.flatMap((member) => changesOf(old.get(member.id), member, nameOf(member.id))),
    ...before.members
      .filter(({ id }) => !now.has(id))
      .map(({ id }) => ({ kind: 'member.forgotten', summary: `${nameOf(id)} was forgotten`, node: id })),
  ];
}

function changesOf(old: Member | undefined, member: Member, name: string): Happening[] {
  const { id, address, status } = member;
  const found: Happening[] = [];
  const details = { address };
  if (old?.status !== status) {
    const [kind, words] = WORDS[status](old?.status);
    found.push({ kind, summary: `${name} ${words}`, node: id, details });
  }
  if (old !== undefined && old.address !== address) {
    const summary = `${name} moved from ${old.address} to ${address}`;
    found.push({ kind: 'member.moved', summary, node: id, details });
  }
  return found;
}

const WORDS: Readonly<Record<Member['status'], (old: Member['status'] | undefined) => [string, string]>> = {
  alive: (old) => (old === undefined ? ['member.joined', 'joined'] : ['member.returned', 'returned']),
  failed: () => ['member.failed', 'failed: it no longer answers'],
  leaving: () => ['member.leaving', 'is leaving'],
  left: () => ['member.left', 'left'],
};
