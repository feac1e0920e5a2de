import { ask } from '../api/client.ts';
import { asLastKnown, readLastKnown } from '../api/last-known.ts';
import { countMembers } from '../api/member-counts.ts';
import type { RoleView, StatusDocument } from '../api/view.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { AgentError, describeError, type ExitName } from '../errors.ts';
import { clock } from '../host.ts';
import { describeItem } from '../seed/report.ts';
import type { Condition } from '../status.ts';
import type { Ended } from './commands.ts';
import { type Context, type Options, printResult } from './context.ts';
import { memberTable } from './members.ts';
import { ago, printable, table, wrapped } from './table.ts';

const WIDTH = 100;
const USUAL_MTU = DEFAULT_SETTINGS.mesh.mtu;
const REFUSALS = 5;
const EVENTS = 3;
/** How an agent ends the question that does not say how the node is. */
const SILENT: readonly ExitName[] = ['notRunning', 'internal'];

/**
 * The status as the agent says it, or else as it last knew it, with its age and the exit of an agent that does not
 * answer.
 *
 * @throws AgentError when the agent does not answer and left nothing to read
 */
export async function status(context: Context, options: Options): Promise<Ended> {
  const { paths, print } = context;
  const known = await readLastKnown(paths);
  let document: StatusDocument;
  try {
    document = await ask<StatusDocument>(paths.socket, '/v1/status', known?.answerMs);
  } catch (error) {
    if (known === undefined || !(error instanceof AgentError) || !SILENT.includes(error.exit)) throw error;
    // The agent may have written once more while it was asked.
    const last = (await readLastKnown(paths)) ?? known;
    if (!options.json) print('stderr', `${describeError(error)}\n\n`);
    printResult(context, options, asLastKnown(last, error), () =>
      [
        `last known ${ageWords(last.ageMs)} ago:`,
        '',
        renderStatus(last.status, new Date(clock.wallClock().getTime() - last.ageMs)),
      ].join('\n'),
    );
    return error.exit;
  }
  printResult(context, options, document, (it) => renderStatus(it, clock.wallClock()));
}

function ageWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}

/** The text for people: where the node and its cluster stand, then what is not as it should be. Pure. */
export function renderStatus(it: StatusDocument, now: Date): string {
  const blocks = [
    headLines(it, now),
    it.conditions.flatMap((condition) => conditionLines(condition, now)),
    it.members?.length ? memberTable(it.members, now) : [],
    roleLines(it, now),
    section('refused peers', refusalLines(it, now)),
    section('last events', eventLines(it)),
    it.seed.map((item) => printable(`seed      ${describeItem(item)} (${item.at})`)),
  ];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function headLines(it: StatusDocument, now: Date): string[] {
  const line = (label: string, text: string) => wrapped(`${label.padEnd(9)} `, text, WIDTH);
  const since = `for ${ago(it.since, now)}`;
  return [
    ...line('node', `${it.name} (${it.id?.slice(0, 8) ?? 'no identity'}), ${it.state} ${since}`),
    ...line('cluster', clusterWords(it)),
    ...(it.consensus === undefined || it.cluster.uuid === undefined
      ? []
      : line('quorum', quorumWords(it.consensus))),
    ...(it.consensus === undefined ? [] : line('place', placeWords(it.consensus))),
    ...(it.timers === undefined ? [] : line('timers', timersWords(it.timers))),
    ...(it.mesh === undefined ? [] : line('mesh', meshWords(it.mesh))),
    ...line('addresses', it.addresses.map((entry) => entry.address).join(', ') || 'none yet'),
    ...line('agent', `${it.version}, pid ${it.pid}, for ${ago(it.startedAt, now)}`),
  ];
}

function clusterWords({ cluster, members }: StatusDocument): string {
  const { name = 'unnamed', uuid, confirmed, expect, keyFingerprint } = cluster;
  const { known } = countMembers(members);
  return [
    name,
    uuid === undefined
      ? 'not begun'
      : confirmed
        ? 'confirmed'
        : expect === undefined
          ? 'provisional until a second node takes part in it'
          : 'not agreed on yet',
    ...(uuid === undefined ? [] : [uuid.slice(0, 8)]),
    ...(known === 0 ? [] : [`${known} node${known === 1 ? '' : 's'}`]),
    ...(expect === undefined ? [] : [`${expect} expected`]),
    keyFingerprint === undefined ? 'no key' : `key ${keyFingerprint}`,
  ].join(', ');
}

function quorumWords(consensus: NonNullable<StatusDocument['consensus']>): string {
  const { quorum, voters, votersAlive, learners, leader, alarms } = consensus;
  return [
    quorum ? 'yes' : 'NO',
    `voters ${votersAlive} of ${voters.length} answering`,
    ...(learners.length === 0 ? [] : [`${learners.length} learning`]),
    leader === undefined ? 'no leader known' : `leader ${leader}`,
    ...alarms.map((alarm) => `alarm ${alarm}`),
  ].join(', ');
}

function placeWords({ place, databaseBytes, quotaBytes }: NonNullable<StatusDocument['consensus']>): string {
  const words = { none: 'in no cluster yet', client: 'client', learner: 'learner', voter: 'voter' }[place];
  if (databaseBytes === undefined) return words;
  return `${words}, database ${sizeOf(databaseBytes)}${quotaBytes === undefined ? '' : ` of ${sizeOf(quotaBytes)}`}`;
}

/** The pace, who says so and why, and the lease that follows. */
function timersWords(it: NonNullable<StatusDocument['timers']>): string {
  const { step, source, why, etcd, turn, need, leaseSeconds, restarting } = it;
  const by = { settings: 'by its settings', cluster: 'agreed on', own: 'this node alone' }[source];
  return [
    `${step}, ${by}`,
    ...(why === '' ? [] : [why]),
    ...(need === step ? [] : [`this machine needs ${need}`]),
    ...(etcd === step || turn ? [] : [`etcd still ${etcd}`]),
    ...(restarting === undefined ? [] : [`etcd of ${restarting} restarts`]),
    `leases ${leaseSeconds} s`,
  ].join('; ');
}

function sizeOf(bytes: number): string {
  if (bytes < 2 ** 20) return `${Math.ceil(bytes / 1024)} KiB`;
  return `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 * 10 ? 1 : 0)} MiB`;
}

function meshWords(mesh: NonNullable<StatusDocument['mesh']>): string {
  const driver = mesh.driver === undefined ? [] : [`by ${mesh.driver}`];
  return [
    mesh.address ?? 'no address yet',
    mesh.ready ? 'up' : 'not up',
    ...driver,
    `${mesh.handshakes} of ${mesh.peers} peers with a handshake`,
    // Lowered by a path or changed by a setting.
    ...(mesh.mtu === undefined || mesh.mtu === USUAL_MTU ? [] : [`MTU ${mesh.mtu}`]),
  ].join(', ');
}

function conditionLines({ code, state, summary, evidence, endedBy, since }: Condition, now: Date): string[] {
  return [
    ...wrapped(`${state.padEnd(9)} `, `${summary} (${code})`, WIDTH),
    `  since     ${ago(since, now)} ago, ${since}`,
    ...(evidence?.split('\n') ?? []).flatMap((line) => wrapped('            ', line, WIDTH)),
    ...wrapped('  ended by  ', endedBy, WIDTH),
  ];
}

function roleLines({ roles = [] }: StatusDocument, now: Date): string[] {
  if (roles.length === 0) return [];
  const lines = roles.map(({ role, holder, address, since, here }) => [
    role,
    holder ?? 'nobody',
    address,
    ago(since, now),
    here,
  ]);
  return [
    ...table(['ROLE', 'HOLDER', 'ADDRESS', 'FOR', 'HERE'], lines).map((line) => line.slice(0, WIDTH)),
    ...roles.flatMap((role) => hereLines(role, now)),
  ];
}

/** Why a role is not held here although it might be. An agent of another version may not say all of it. */
function hereLines({ role, here, reason, endedBy, hereSince }: RoleView, now: Date): string[] {
  if (reason === undefined) return [];
  return [
    ...wrapped('', `${role} is ${here} here: ${reason}`, WIDTH),
    ...(hereSince === undefined ? [] : [`  since     ${ago(hereSince, now)} ago, ${hereSince}`]),
    ...(endedBy === undefined ? [] : wrapped('  ended by  ', endedBy, WIDTH)),
  ];
}

function refusalLines({ refusals = [] }: StatusDocument, now: Date): string[] {
  return refusals.slice(0, REFUSALS).flatMap(({ address, reason, times, last }) => {
    const often = times === 1 ? '' : `, ${times} times`;
    return wrapped(
      '  ',
      `${address}: failed authentication: ${reason} (${ago(last, now)} ago${often})`,
      WIDTH,
    );
  });
}

function eventLines({ events = [] }: StatusDocument): string[] {
  return events.slice(-EVENTS).flatMap(({ at, summary }) => wrapped(`  ${at}  `, summary, WIDTH));
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines];
}
