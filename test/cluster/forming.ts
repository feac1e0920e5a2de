/** The way from machines that are on to one cluster in which everything is as it should be. */
import { randomBytes } from 'node:crypto';
import type { StatusDocument } from '../../agent/api/view.ts';
import { targetVoters } from '../../agent/consensus/membership.ts';
import type { Machine } from './machines.ts';
import { brief } from './status.ts';
import { eventually } from './waits.ts';

/** For a machine with nothing else to do it takes half a minute; these are for one with a lot to do. */
const FORM_MS = 180_000;

/** A cluster key as text, as it lies in the seed. */
export function newKey(): string {
  return randomBytes(32).toString('base64');
}

interface SettledOptions {
  /** 180 s unless given. */
  readonly deadlineMs?: number;
  /** As many as fit the number of machines, unless given. */
  readonly voters?: number;
}

/**
 * Start the agents that do not run, and wait until the machines are one cluster.
 *
 * @returns what each says, in the order of the machines
 * @throws Error with who is not there yet and why
 */
export async function formCluster(
  machines: readonly Machine[],
  options: SettledOptions = {},
): Promise<StatusDocument[]> {
  for (const machine of machines) {
    if (!(await runs(machine))) await machine.startAgent();
  }
  return settled(machines, options);
}

/**
 * Wait until these machines are one cluster, and nobody else counts as alive in it: one confirmed genesis, one
 * leader, the voters that fit, every node ready, everybody alive in everybody's view and registered, and a
 * handshake in the mesh with everybody.
 */
export async function settled(
  machines: readonly Machine[],
  { deadlineMs = FORM_MS, voters = targetVoters(machines.length) }: SettledOptions = {},
): Promise<StatusDocument[]> {
  return eventually(
    `${machines.map(({ name }) => name).join(', ')} are one settled cluster`,
    async () => {
      const seen = await Promise.all(machines.map((machine) => machine.agentStatus()));
      const missing = whyUnsettled(seen, voters);
      if (missing.length > 0) throw new Error(missing.join('\n  '));
      return seen;
    },
    { deadlineMs, everyMs: 250 },
  );
}

/** What is not as it should be, a line each; nothing when all is. Pure. */
export function whyUnsettled(seen: readonly StatusDocument[], voters: number): string[] {
  const ids = seen.map(({ id }) => id ?? '').sort();
  const same = <T>(what: string, of: (status: StatusDocument) => T): string[] => {
    const values = seen.map((status) => JSON.stringify(of(status)) ?? 'none');
    return new Set(values).size === 1
      ? []
      : [`${what} differs: ${seen.map(({ name }, index) => `${name} ${values[index]}`).join(', ')}`];
  };
  return [
    ...seen.flatMap((status) => whyAlone(status, ids, voters)),
    ...same('the cluster', ({ cluster }) => cluster.uuid),
    ...same('the leader', ({ consensus }) => consensus?.leaderId),
    ...same('the set of voters', ({ consensus }) => [...(consensus?.voters ?? [])].sort()),
  ];
}

function whyAlone(status: StatusDocument, ids: readonly string[], voters: number): string[] {
  const { name, cluster, consensus, mesh, members = [] } = status;
  const alive = members.filter((member) => member.status === 'alive').map(({ id }) => id);
  const placed = members.filter(({ place }) => place !== 'none').map(({ id }) => id);
  const own = members.find(({ self }) => self);
  // Beside a voter that is alone another node keeps a copy.
  const copies = voters === 1 && ids.length > 1 ? 1 : 0;
  const expected: readonly (readonly [boolean, string])[] = [
    [status.state === 'ready', brief(status)],
    [cluster.confirmed === true, 'no confirmed cluster'],
    [consensus?.quorum === true, 'no quorum'],
    [consensus?.leaderId !== undefined, 'no leader'],
    [
      consensus?.voters.length === voters && consensus.learners.length === copies,
      `${consensus?.voters.length ?? 0} voters and ${consensus?.learners.length ?? 0} learners, not ${voters} and ${copies}`,
    ],
    [own?.place === consensus?.place, `it is ${consensus?.place}, and ${own?.place} among the members`],
    [alive.sort().join() === ids.join(), `sees ${alive.length} of ${ids.length} alive`],
    [ids.every((id) => placed.includes(id)), `knows the place of ${placed.length} of ${ids.length}`],
    [
      mesh?.ready === true && mesh.handshakes >= ids.length - 1,
      `handshakes with ${mesh?.handshakes ?? 0} of ${ids.length - 1}`,
    ],
  ];
  return expected.filter(([holds]) => !holds).map(([, reason]) => `${name}: ${reason}`);
}

async function runs(machine: Machine): Promise<boolean> {
  return (await machine.processes()).some(({ name }) => name === 'node-agent');
}
