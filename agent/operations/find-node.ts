import { AgentError } from '../errors.ts';

export interface Named {
  readonly id: string;
  readonly name: string;
}

/**
 * The node that an operator means by its name, its id, or the beginning of its id. Pure.
 *
 * @throws AgentError `node.unknown`, `node.ambiguous` with the candidates
 */
export function findNode<T extends Named>(nodes: readonly T[], text: string): T {
  const exact = nodes.find(({ id }) => id === text);
  if (exact !== undefined) return exact;
  const named = nodes.filter(({ name }) => name === text);
  const found = named.length > 0 ? named : nodes.filter(({ id }) => text !== '' && id.startsWith(text));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const shown = (found.length > 0 ? found : nodes).slice(0, 20).map(({ id, name }) => `${name}  ${id}`);
  throw new AgentError({
    code: found.length > 0 ? 'node.ambiguous' : 'node.unknown',
    exit: 'usage',
    message:
      found.length > 0
        ? `${JSON.stringify(text.slice(0, 80))} means ${found.length} nodes`
        : `no node is called ${JSON.stringify(text.slice(0, 80))}`,
    evidence: shown.join('\n') || undefined,
    fix: 'say the name, the id, or more of the beginning of the id: node-agent members',
  });
}

/**
 * The member that an operator means. One that has left is meant only where nobody else bears the name: a machine
 * that was reset bears it again. Pure.
 *
 * @throws as {@link findNode}
 */
export function findMember<T extends Named & { readonly status: string }>(
  members: readonly T[],
  text: string,
): T {
  const [present, ...others] = members.filter(({ name, status }) => name === text && status !== 'left');
  return present !== undefined && others.length === 0 ? present : findNode(members, text);
}
