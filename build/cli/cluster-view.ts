/** The quick cluster as text. Pure. */
import type { AgentStatus } from '../docker/agents.ts';
import type { RunningNode } from '../docker/cluster.ts';

export function statusAsText(
  name: string,
  nodes: readonly RunningNode[],
  agents: ReadonlyMap<string, AgentStatus | string>,
): string {
  const rows = nodes.map((node) => {
    const agent = agents.get(node.name);
    if (agent === undefined || typeof agent === 'string')
      return [node.name, node.address, '-', node.state, agent ?? '', '', ''];
    const { consensus, members } = agent;
    const alive = members.filter(({ status }) => status === 'alive').length;
    return [
      node.name,
      node.address,
      agent.mesh?.address ?? '-',
      agent.state,
      consensus?.place ?? '-',
      consensus?.leader ?? 'no leader known',
      `${alive} of ${members.length} alive`,
    ];
  });
  const running = nodes.filter(({ state }) => state === 'running').length;
  return [
    `quick cluster ${name}: ${running} of ${nodes.length} nodes run`,
    '',
    ...table([['NODE', 'ADDRESS', 'MESH', 'STATE', 'PLACE', 'LEADER', 'MEMBERS'], ...rows]),
  ].join('\n');
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
