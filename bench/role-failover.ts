import type { StatusDocument } from '../agent/api/view.ts';
import { clock } from '../build/host.ts';
import { formCluster, newKey, settled } from '../test/cluster/forming.ts';
import { createNamespaceCluster } from '../test/cluster/namespaces/cluster.ts';
import type { HostMachine } from '../test/cluster/namespaces/machine.ts';
import { transcribe } from '../test/cluster/transcript.ts';
import { eventually } from '../test/cluster/waits.ts';
import { machineMs, type PageWatch, watchPage } from './page-watch.ts';

const HOSTS = 5;
const PAGE = 'http://10.42.255.1/healthz';
const LIMIT_MS = 60_000;

export interface Failover {
  /** From the power cut to the first answer of the page for a third machine. */
  readonly totalMs: number;
  /** From the power cut until another machine holds the role. */
  readonly heldMs: number;
}

export interface RoleFigures {
  readonly powerCuts: readonly Failover[];
  /** Ms without an answer of the page when its holder's agent is stopped by SIGTERM. */
  readonly handOvers: readonly number[];
}

interface Rounds {
  readonly powerCuts: number;
  readonly handOvers: number;
}

/** The settings of a cluster to be measured, and the lease that its roles must have by them. */
export interface Pace {
  readonly nodeYaml: string;
  readonly leaseSeconds: number;
}

/** Five machines, three of them voters, and the role `page`, watched by a machine that is no voter. */
export async function roleFailovers(
  rounds: Rounds,
  { nodeYaml, leaseSeconds }: Pace,
  say: (line: string) => void,
): Promise<RoleFigures> {
  const cluster = await createNamespaceCluster({ hosts: HOSTS, seed: { key: newKey(), nodeYaml } });
  let watch: PageWatch | undefined;
  try {
    const { machines } = cluster;
    const settle = () => settled(machines, { deadlineMs: 180_000 });
    const first = await formCluster(machines);
    const third = machines[first.findIndex(({ consensus }) => consensus?.place === 'client')];
    if (third === undefined) throw new Error('every machine is a voter');
    watch = await watchPage(third, PAGE);
    await Promise.all(
      machines.map((machine) =>
        machine.until(
          `leases are ${leaseSeconds} s`,
          ({ timers }) => timers?.leaseSeconds === leaseSeconds,
          LIMIT_MS,
        ),
      ),
    );
    say(`five machines are one cluster, leases are ${leaseSeconds} s; ${third.name} watches the page`);

    const powerCuts: Failover[] = [];
    for (let round = 0; round < rounds.powerCuts; round++) {
      const holder = await holderOf(machines, await settle());
      await lead(machines, holder);
      await watch.answeredAfter(machineMs(), LIMIT_MS);
      powerCuts.push(await powerCut(holder, machines, watch));
      const { heldMs = 0, totalMs = 0 } = powerCuts.at(-1) ?? {};
      say(`power cut of ${holder.name}: held elsewhere after ${s(heldMs)}, answers after ${s(totalMs)}`);
      await holder.powerOn();
    }
    const handOvers: number[] = [];
    for (let round = 0; round < rounds.handOvers; round++) {
      const holder = await holderOf(machines, await settle());
      const fromMs = machineMs();
      await watch.answeredAfter(fromMs, LIMIT_MS);
      await holder.stopAgent();
      const others = machines.filter((machine) => machine !== holder);
      await newHolder(others);
      await watch.answeredAfter(machineMs(), LIMIT_MS);
      handOvers.push(watch.longestGapSince(fromMs));
      say(`SIGTERM to the agent of ${holder.name}: ${s(handOvers.at(-1) ?? 0)} without an answer`);
      await holder.startAgent();
    }
    return { powerCuts, handOvers };
  } catch (error) {
    process.stderr.write(await transcribe(cluster, 'bench failover'));
    throw error;
  } finally {
    await watch?.close();
    await cluster.dispose();
  }
}

async function powerCut(
  holder: HostMachine,
  machines: readonly HostMachine[],
  watch: PageWatch,
): Promise<Failover> {
  const others = machines.filter((machine) => machine !== holder);
  const cutMs = machineMs();
  const cutting = holder.powerCut();
  const [answeredMs, heldMs] = await Promise.all([
    // What is still on its way is from the dead.
    watch.answeredAfter(cutMs + 100, LIMIT_MS),
    newHolder(others).then(() => machineMs()),
    cutting,
  ]);
  return { totalMs: answeredMs - cutMs, heldMs: heldMs - cutMs };
}

const ROLE = 'page';
const s = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
const holds = ({ roles = [] }: StatusDocument) =>
  roles.some(({ role, here }) => role === ROLE && here === 'holding');

async function holderOf(
  machines: readonly HostMachine[],
  seen: readonly StatusDocument[],
): Promise<HostMachine> {
  const at = seen.findIndex(holds);
  return machines[at] ?? (await newHolder(machines));
}

/** The one of these machines that holds the role, once one does. */
function newHolder(machines: readonly HostMachine[]): Promise<HostMachine> {
  return eventually(
    'the page is held',
    async () => {
      const seen = await Promise.all(machines.map((machine) => machine.agentStatus().catch(() => undefined)));
      return machines[seen.findIndex((status) => status && holds(status))];
    },
    { deadlineMs: LIMIT_MS, everyMs: 50 },
  );
}

/** Make this machine's etcd the Raft leader, and wait until its agent has seen it. */
async function lead(machines: readonly HostMachine[], wanted: HostMachine): Promise<void> {
  const { id = '' } = await wanted.agentStatus();
  const leads = async () => (await wanted.agentStatus()).consensus?.leaderId;
  const leader = await leads();
  if (leader !== id) {
    const all = await Promise.all(
      machines.map(async (machine) => ({ machine, id: (await machine.agentStatus()).id })),
    );
    const from = all.find((each) => each.id === leader)?.machine;
    if (from === undefined) throw new Error(`no machine has the leader's id ${leader}`);
    const list = await from.must([...etcdctl, 'member', 'list']);
    const line = list.split('\n').find((text) => text.includes(id));
    if (line === undefined) throw new Error(`${wanted.name} is no member of etcd:\n${list}`);
    await from.must([...etcdctl, 'move-leader', line.split(',')[0] ?? '']);
  }
  await eventually(`${wanted.name} leads`, async () => (await leads()) === id, { deadlineMs: LIMIT_MS });
  await clock.pause(SEEN_MS);
}

/** All agents look at their etcd at least this often: afterwards none of them is in a hurry. */
const SEEN_MS = 5_000;

const TLS = '/run/clusteros/etcd/tls';
const etcdctl = [
  'etcdctl',
  '--endpoints=https://127.0.0.1:7374',
  `--cacert=${TLS}/ca.pem`,
  `--cert=${TLS}/node.pem`,
  `--key=${TLS}/node.key`,
];
