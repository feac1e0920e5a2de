import type { ClusterView, MemberView } from '../api/view.ts';
import { STEP_NAMES } from '../config/settings.ts';
import type { MeshPeer } from '../engine/resources.ts';
import { STATES, type State } from '../status.ts';
import type { Lateness } from '../timers/choose.ts';

/** What is measured, read together. */
export interface Measured {
  readonly state: State;
  readonly version: string;
  readonly view: ClusterView | undefined;
  readonly peers: readonly MeshPeer[];
  /** Since the agent started. */
  readonly events: number;
  /** Times that a peer was refused, of those still remembered. */
  readonly refusals: number;
  readonly process: { readonly residentBytes: number; readonly cpuSeconds: number };
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly Sample[];
}

const MEMBER_STATES: readonly MemberView['status'][] = ['alive', 'leaving', 'left', 'failed', 'absent'];
const PLACES = ['none', 'client', 'learner', 'voter'] as const;

/**
 * The text format of Prometheus, version 0.0.4; a metric without samples is left out. Pure.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function renderMetrics(measured: Measured): string {
  return metricsOf(measured)
    .filter(({ samples }) => samples.length > 0)
    .map(
      ({ name, type, help, samples }) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map((it) => sampleLine(name, it)).join('')}`,
    )
    .join('');
}

function metricsOf({ state, version, view, peers, events, refusals, process }: Measured): Metric[] {
  const { consensus, members = [], roles = [] } = view ?? {};
  const self = members.find((member) => member.self);
  return [
    gauge('clusteros_up', 'The agent runs.', [{ value: 1, labels: { version } }]),
    gauge('clusteros_state', 'State of the node, 1 for the one it is in.', oneOf('state', STATES, state)),
    gauge(
      'clusteros_members',
      'Members by what gossip says of them.',
      view === undefined ? [] : MEMBER_STATES.map((status) => countOf(members, status)),
    ),
    gauge(
      'clusteros_cluster_confirmed',
      'A second node takes part, or a majority of those expected.',
      bit(view?.cluster.confirmed),
    ),
    gauge('clusteros_quorum', 'etcd answered a linearizable read lately.', bit(consensus?.quorum)),
    gauge('clusteros_voters', 'Voting members of etcd.', number(consensus?.voters.length)),
    gauge('clusteros_voters_alive', 'Voters that gossip says are alive.', number(consensus?.votersAlive)),
    gauge(
      'clusteros_place',
      'Place of this node in Raft, 1 for the one it has.',
      consensus === undefined ? [] : oneOf('place', PLACES, consensus.place),
    ),
    gauge('clusteros_raft_leader', 'The Raft leader is on this node.', bit(self?.leader)),
    gauge(
      'clusteros_role_held',
      'This node holds the role.',
      roles.map(({ role, here }) => ({ labels: { role }, value: Number(here === 'holding') })),
    ),
    gauge(
      'clusteros_timers_step',
      'Pace of this node, 1 for the one it goes by.',
      view?.timers === undefined ? [] : oneOf('step', STEP_NAMES, view.timers.step),
    ),
    gauge(
      'clusteros_lateness_seconds',
      'How late things happen on this machine, by cause, as of the last change.',
      latenessOf(view?.timers?.lateness),
    ),
    gauge(
      'clusteros_role_lease_seconds',
      'Lease of a role on this node.',
      number(view?.timers?.leaseSeconds),
    ),
    gauge('clusteros_mesh_ready', 'The mesh interface is up.', bit(view?.mesh.ready)),
    gauge(
      'clusteros_mesh_handshake_age_seconds',
      'Seconds since the last handshake with a peer.',
      peers.flatMap(({ name, handshakeAge: value }) =>
        value === undefined ? [] : [{ labels: { peer: name }, value }],
      ),
    ),
    gauge('clusteros_etcd_db_bytes', "Size of etcd's database on disk.", number(consensus?.databaseBytes)),
    gauge('clusteros_etcd_quota_bytes', "Limit of etcd's database.", number(consensus?.quotaBytes)),
    gauge('clusteros_etcd_alarms', 'Alarms that etcd has raised.', number(consensus?.alarms.length)),
    gauge(
      'clusteros_snapshot_age_seconds',
      "Age of the newest snapshot of etcd's data on this node, where it keeps some.",
      number(consensus?.snapshot?.ageSeconds),
    ),
    gauge(
      'clusteros_snapshot_failed',
      'The last snapshot could not be taken.',
      bit(consensus?.snapshot && consensus.snapshot.failed !== undefined),
    ),
    // A gauge, not a counter: peers that have been forgotten no longer count.
    gauge('clusteros_refusals', 'Times that peers were refused, of those remembered.', number(refusals)),
    counter('clusteros_events_total', 'Events since the agent started.', events),
    gauge('clusteros_agent_resident_bytes', 'Memory of the agent.', number(process.residentBytes)),
    counter('clusteros_agent_cpu_seconds_total', 'Processor time of the agent.', process.cpuSeconds),
  ];
}

function gauge(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, type: 'gauge', help, samples };
}

function counter(name: string, help: string, value: number): Metric {
  return { name, type: 'counter', help, samples: [{ value }] };
}

function number(value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ value }];
}

function bit(value: boolean | undefined): Sample[] {
  return value === undefined ? [] : [{ value: Number(value) }];
}

function latenessOf(lateness: Lateness | undefined): Sample[] {
  const { diskMs, schedulingMs, networkMs } = lateness ?? {};
  return Object.entries({ disk: diskMs, scheduling: schedulingMs, network: networkMs }).flatMap(
    ([cause, ms]) => (ms === undefined ? [] : [{ labels: { cause }, value: Math.round(ms) / 1_000 }]),
  );
}

function oneOf(label: string, all: readonly string[], is: string): Sample[] {
  return all.map((one) => ({ labels: { [label]: one }, value: Number(one === is) }));
}

function countOf(members: readonly MemberView[], status: MemberView['status']): Sample {
  return {
    labels: { status },
    value: members.filter((member) => !member.evicted && member.status === status).length,
  };
}

function sampleLine(name: string, { labels = {}, value }: Sample): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
