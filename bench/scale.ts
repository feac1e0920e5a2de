/**
 * `npm run bench:scale`: a cluster that grows to fifty nodes on this machine, each with the built agent, Serf and
 * wireguard-go, and five of them with etcd: how long a node takes to join, how busy this machine is meanwhile (all
 * nodes share its processors, which those of a cluster do not), and what each costs while nothing happens. `--json` prints the figures alone; `--nodes N` ends at another size.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { buildAgent } from '../build/agent/bundle.ts';
import { openCache } from '../build/cache.ts';
import { clock } from '../build/host.ts';
import { formCluster, newKey } from '../test/cluster/forming.ts';
import { createNamespaceCluster } from '../test/cluster/namespaces/cluster.ts';
import type { HostMachine } from '../test/cluster/namespaces/machine.ts';
import { transcribe } from '../test/cluster/transcript.ts';
import { median, seconds, table, verdict } from './figures.ts';
import { allowManyNeighbours } from './neighbours.ts';
import { idleUsage, medianOf, type NodeUsage } from './node-usage.ts';

const FIRST = 5;
/** At each of these sizes the last five nodes join one after the other, and are timed. */
const TIMED = 5;
const AT_ONCE = 5;
const IDLE_MS = 60_000;
/** A node that has just come calls out each second for half a minute. */
const CALM_MS = 35_000;
const LIMIT_MS = 180_000;
const AIMS = { rssMiB: 75, cpu: 1 };

const { values } = parseArgs({ options: { json: { type: 'boolean' }, nodes: { type: 'string' } } });
const say = (line: string) => void (values.json ? process.stderr : process.stdout).write(`${line}\n`);
const sizes = [10, 25, 50]
  .filter((size) => size < Number(values.nodes ?? 50))
  .concat(Number(values.nodes ?? 50));

interface Idle {
  readonly nodes: number;
  readonly load: number;
  readonly usages: readonly NodeUsage[];
}

const { file } = await buildAgent({
  arch: process.arch === 'arm64' ? 'arm64' : 'x64',
  cache: await openCache(),
});
const restoreNeighbours = allowManyNeighbours();
const cluster = await createNamespaceCluster({ hosts: FIRST, seed: { key: newKey() }, program: file });
const joins: { readonly nodes: number; readonly ms: readonly number[]; readonly busy: number }[] = [];
let few: Idle | undefined;
let many: Idle | undefined;
try {
  const startMs = clock.monotonicMs();
  await formCluster(cluster.machines);
  say(`${FIRST} nodes are one cluster after ${seconds(clock.monotonicMs() - startMs)} s`);
  few = await idle();
  for (const size of sizes) {
    while (cluster.machines.length < size - TIMED) {
      const group = Math.min(AT_ONCE, size - TIMED - cluster.machines.length);
      await Promise.all(Array.from({ length: group }, () => join()));
    }
    // Those that came in groups are still meeting each other.
    await clock.pause(CALM_MS);
    const ms: number[] = [];
    const before = processorTimes();
    while (cluster.machines.length < size) ms.push(await join());
    joins.push({ nodes: size, ms, busy: busyShare(before, processorTimes()) });
    say(`node ${size - ms.length + 1} to ${size}: ready after ${ms.map(seconds).join(', ')} s`);
  }
  many = await idle();
} catch (error) {
  process.stderr.write(await transcribe(cluster, 'bench scale'));
  throw error;
} finally {
  await cluster.dispose();
  restoreNeighbours();
}
report(few, many);

/** One node more. @returns ms until it is a ready member that sees all others alive */
async function join(): Promise<number> {
  const machine = await cluster.add();
  const startMs = clock.monotonicMs();
  await machine.startAgent();
  await machine.until(
    'is a ready member',
    ({ state, consensus }) => state === 'ready' && consensus !== undefined && consensus.place !== 'none',
    LIMIT_MS,
  );
  return clock.monotonicMs() - startMs;
}

function processorTimes(): { readonly busyMs: number; readonly allMs: number } {
  const times = cpus().map(({ times: { idle, ...busy } }) => ({
    idle,
    busy: Object.values(busy).reduce((sum, ms) => sum + ms, 0),
  }));
  const busyMs = times.reduce((sum, { busy }) => sum + busy, 0);
  return { busyMs, allMs: times.reduce((sum, { idle }) => sum + idle, busyMs) };
}

/** Percent of all processors. */
function busyShare(from: ReturnType<typeof processorTimes>, to: ReturnType<typeof processorTimes>): number {
  return (100 * (to.busyMs - from.busyMs)) / (to.allMs - from.allMs);
}

async function idle(): Promise<Idle> {
  const machines: readonly HostMachine[] = cluster.machines;
  await clock.pause(CALM_MS);
  const usages = await idleUsage(machines, IDLE_MS);
  return { nodes: machines.length, load: loadavg()[0] ?? 0, usages };
}

function report(before: Idle, after: Idle): void {
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ joins, idle: [before, after], aims: AIMS }, undefined, 2)}\n`);
    return;
  }
  const [a, b] = [medianOf(before.usages), medianOf(after.usages)];
  const worst = (it: Idle, figure: keyof NodeUsage) => Math.max(...it.usages.map((usage) => usage[figure]));
  const row = (what: string, figure: keyof NodeUsage, aim?: number) => [
    what,
    ...[a, b].flatMap((usage, at) => [
      usage[figure].toFixed(2),
      worst(at === 0 ? before : after, figure).toFixed(2),
    ]),
    (b[figure] / a[figure]).toFixed(2),
    aim === undefined ? '' : `< ${aim}: ${verdict(b[figure] < aim)}`,
  ];
  const sized = [before, after].flatMap(({ nodes }) => [`${nodes} nodes`, 'worst']);
  say(
    `\nload ${before.load.toFixed(1)} at ${before.nodes} nodes, ${after.load.toFixed(1)} at ${after.nodes}`,
  );
  say(
    table([
      ['an idle node', ...sized, 'ratio', 'aim'],
      row('RSS of the agent, MiB', 'agentRssMiB', AIMS.rssMiB),
      row('of it its own, MiB', 'agentOwnMiB'),
      row('CPU of the agent, %', 'agentCpu', AIMS.cpu),
      row('CPU of all engines, %', 'enginesCpu'),
      row('processes and threads begun in a minute', 'begun'),
    ]),
  );
  const first = median(joins[0]?.ms ?? []);
  say(
    table([
      ['a node joins, up to', 'median s', 'best s', 'worst s', 'ratio', 'processors busy, %'],
      ...joins.map(({ nodes, ms, busy }) => [
        `${nodes} nodes`,
        seconds(median(ms)),
        seconds(Math.min(...ms)),
        seconds(Math.max(...ms)),
        (median(ms) / first).toFixed(2),
        busy.toFixed(0),
      ]),
    ]),
  );
}
