import type { Machine } from './machines.ts';
import type { NamespaceCluster } from './namespaces/cluster.ts';
import { portOf } from './namespaces/host.ts';

/**
 * Frames from a machine to others are lost on the switch, while theirs arrive. Replaces the rules of the call before.
 *
 * @param pairs from whom to whom; none heals
 */
export async function cutOneWay(
  cluster: NamespaceCluster,
  pairs: readonly (readonly [Machine, Machine])[],
): Promise<void> {
  const rules = pairs.map(
    ([from, to]) => `iifname "${portOf(from.name, 0)}" oifname "${portOf(to.name, 0)}" counter drop`,
  );
  const text = [
    'table bridge one-way',
    'delete table bridge one-way',
    'table bridge one-way {',
    '  chain forward {',
    '    type filter hook forward priority -1; policy accept;',
    ...rules.map((rule) => `    ${rule}`),
    '  }',
    '}',
    '',
  ];
  await cluster.inRig(['nft', '-f', '-'], { input: text.join('\n') });
}
