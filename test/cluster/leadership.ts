/** Who leads and who holds a role, as the machines say, and how to change the first. */
import type { RoleView, StatusDocument } from '../../agent/api/view.ts';
import { certificateFiles } from '../../agent/consensus/certificates/files.ts';
import { stepOf } from '../../agent/timers/steps.ts';
import type { Machine } from './machines.ts';
import { brief } from './status.ts';
import { eventually } from './waits.ts';

const CLIENT_PORT = 7374;
/** A machine that is busy may have made the lease the longest there is, and a lease must end before another begins. */
const TAKEN_OVER_MS = 2 * stepOf('slowest').leaseSeconds * 1_000;

/** The machine with the Raft leader, as this one sees it. */
export async function leaderOf<M extends Machine>(machines: readonly M[], witness?: Machine): Promise<M> {
  return eventually(
    'a leader',
    async () => byId(machines, (await asked(machines, witness)).consensus?.leaderId),
    { deadlineMs: 60_000 },
  );
}

/** The machine that holds the role and runs it, by its own word. */
export async function holderOf<M extends Machine>(
  machines: readonly M[],
  role = 'page',
  deadlineMs = TAKEN_OVER_MS,
): Promise<M> {
  return eventually(
    `one of ${machines.map(({ name }) => name).join(', ')} holds the role ${role}`,
    async () => {
      const seen = await Promise.all(
        machines.map(async (machine) => ({ machine, role: roleIn(await statusOf(machine), role) })),
      );
      const holder = seen.find((each) => each.role?.here === 'holding');
      if (holder === undefined) {
        const says = seen.map(
          (each) => `${each.machine.name}: ${each.role?.here} ${each.role?.reason ?? ''}`,
        );
        throw new Error(says.join(', '));
      }
      return holder.machine;
    },
    { deadlineMs },
  );
}

export function roleIn(status: StatusDocument | undefined, role: string): RoleView | undefined {
  return status?.roles?.find((each) => each.role === role);
}

/** Hand the leadership to a voter, by etcdctl. @throws Error when it does not lead in the end */
export async function leadBy(machines: readonly Machine[], target: Machine): Promise<void> {
  await eventually(
    `${target.name} leads`,
    async () => {
      const leader = await leaderOf(machines);
      if (leader === target) return true;
      const { id } = await target.agentStatus();
      const table = await leader.must(etcdctl(leader, ['member', 'list']));
      const member = table
        .split('\n')
        .find((line) => line.includes(`, ${id}, `))
        ?.split(',')[0];
      if (member === undefined) throw new Error(`${target.name} is no member:\n${table}`);
      await leader.must(etcdctl(leader, ['move-leader', member]));
      return undefined;
    },
    { deadlineMs: 60_000, everyMs: 1_000 },
  );
}

/** etcdctl with the certificates of the machine, at its own member. */
export function etcdctl({ paths }: Machine, words: readonly string[]): string[] {
  const { ca, certificate, key } = certificateFiles(`${paths.run}/etcd/tls`);
  return [
    'env',
    'ETCDCTL_API=3',
    'etcdctl',
    `--endpoints=https://127.0.0.1:${CLIENT_PORT}`,
    `--cacert=${ca}`,
    `--cert=${certificate}`,
    `--key=${key}`,
    ...words,
  ];
}

async function asked(machines: readonly Machine[], witness?: Machine): Promise<StatusDocument> {
  const wanted = witness ?? machines.find(({ on }) => on);
  if (wanted === undefined) throw new Error('every machine is off');
  const status = await wanted.agentStatus();
  if (status.consensus?.leaderId === undefined) throw new Error(brief(status));
  return status;
}

async function byId<M extends Machine>(
  machines: readonly M[],
  id: string | undefined,
): Promise<M | undefined> {
  for (const machine of machines) if ((await statusOf(machine))?.id === id) return machine;
  return undefined;
}

async function statusOf(machine: Machine): Promise<StatusDocument | undefined> {
  return machine.on ? machine.agentStatus().catch(() => undefined) : undefined;
}
