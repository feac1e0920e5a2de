import type { Member } from '../engine/resources.ts';
import type { SerfMember } from './rpc/bodies.ts';

/** Serf's list with the time since when each status is what it is, sorted by id. Pure. */
export function datedMembers(
  before: readonly Member[],
  now: readonly SerfMember[],
  nowMs: number,
): readonly Member[] {
  const known = new Map(before.map((member) => [member.id, member]));
  return now
    .map((member) => {
      const old = known.get(member.id);
      return { ...member, sinceMs: old?.status === member.status ? old.sinceMs : nowMs };
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}
