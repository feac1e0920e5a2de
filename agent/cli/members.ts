import type { MemberView } from '../api/view.ts';
import { clock } from '../host.ts';
import { askAgent, type Context, type Options, printResult } from './context.ts';
import { ago, table } from './table.ts';

/** @throws AgentError when the agent does not run */
export async function members(context: Context, options: Options): Promise<void> {
  const document = await askAgent<{ members: readonly MemberView[] }>(context, '/v1/members');
  printResult(context, options, document, (it) =>
    it.members.length === 0 ? 'no members yet' : memberTable(it.members, clock.wallClock()).join('\n'),
  );
}

/** One line for each member; `*` is this node. Pure. */
export function memberTable(list: readonly MemberView[], now: Date): string[] {
  return table(
    ['NODE', 'ID', 'STATE', 'FOR', 'MESH', 'LAN', 'PLACE', 'ROLES'],
    list.map((member) => [
      `${member.name}${member.self ? ' *' : ''}`,
      member.id.slice(0, 8),
      member.evicted ? 'evicted' : member.status,
      ago(member.since, now),
      member.meshAddress,
      member.lanAddress,
      member.leader ? `${member.place}, leader` : member.place,
      member.roles.join(' ') || undefined,
    ]),
  );
}
