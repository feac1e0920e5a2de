import type { MemberView } from './view.ts';

interface MemberCounts {
  /** Who is part of the cluster: all but those that left or were evicted. */
  readonly all: number;
  /** Those of them that gossip knows, alive or not. */
  readonly known: number;
  readonly alive: number;
}

/** How many nodes the cluster has, as this node sees it. Pure. */
export function countMembers(members: readonly Pick<MemberView, 'evicted' | 'status'>[] = []): MemberCounts {
  const part = members.filter(({ evicted, status }) => !evicted && status !== 'left');
  return {
    all: part.length,
    known: part.filter(({ status }) => status !== 'absent').length,
    alive: part.filter(({ status }) => status === 'alive').length,
  };
}
