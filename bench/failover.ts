/**
 * `npm run bench:failover`: how soon a role is served again after its machine died, against what etcd alone needs
 * for an election, on the same machine in one run, by the usual lease and by that of fast machines. `--json` prints the figures alone.
 */
import { loadavg } from 'node:os';
import { bareElections } from './bare-etcd.ts';
import { median, seconds, table, verdict } from './figures.ts';
import { type Failover, type RoleFigures, roleFailovers } from './role-failover.ts';

const ELECTIONS = 7;
const ROUNDS = { powerCuts: 5, handOvers: 5 };
/** The lease that every machine had before timers fitted them, and the one of fast machines. */
const USUAL = { nodeYaml: 'consensus: { timers: normal }', leaseSeconds: 10 };
const FAST = { nodeYaml: 'consensus: { timers: fast }', leaseSeconds: 4 };
/** Of the bare election, that a role may take beyond its lease. */
const AIM_ELECTIONS = 1.2;
const AIM_HAND_OVER_MS = 1_000;
/** Of the median by the usual lease. */
const AIM_FAST = 0.5;

const json = process.argv.includes('--json');
const say = (line: string) => void (json ? process.stderr : process.stdout).write(`${line}\n`);

const bare = await bareElections(ELECTIONS, say);
const usual = await roleFailovers(ROUNDS, USUAL, say);
const fast = await roleFailovers(ROUNDS, FAST, say);
const limitOf = ({ leaseSeconds }: typeof USUAL) => leaseSeconds * 1_000 + AIM_ELECTIONS * median(bare);
const totals = ({ powerCuts }: RoleFigures) => powerCuts.map(({ totalMs }) => totalMs);
const ratio = median(totals(fast)) / median(totals(usual));

if (json) {
  const figures = (pace: typeof USUAL, { powerCuts, handOvers }: RoleFigures) => ({
    leaseMs: pace.leaseSeconds * 1_000,
    powerCuts,
    handOverMs: handOvers,
    limitMs: limitOf(pace),
  });
  const all = { bareElectionMs: bare, usual: figures(USUAL, usual), fast: figures(FAST, fast), ratio };
  process.stdout.write(`${JSON.stringify(all, undefined, 2)}\n`);
} else {
  say(`\nload ${loadavg()[0]?.toFixed(1)}`);
  say(
    table([
      ['what', 'median s', 'worst s', 'of the lease', 'aim'],
      row('bare etcd: leader killed, a put through another member', bare),
      ...rowsOf(USUAL, usual),
      ...rowsOf(FAST, fast),
    ]),
  );
  say(
    `lease ${FAST.leaseSeconds} s against ${USUAL.leaseSeconds} s, medians: ${ratio.toFixed(2)} (aim ${AIM_FAST}: ${verdict(ratio <= AIM_FAST)})`,
  );
}

function rowsOf(pace: typeof USUAL, { powerCuts, handOvers }: RoleFigures): string[][] {
  const leaseMs = pace.leaseSeconds * 1_000;
  const limit = limitOf(pace);
  const of = (figure: (it: Failover) => number) => powerCuts.map(figure);
  const [held, served] = [of(({ heldMs }) => heldMs), of(({ totalMs, heldMs }) => totalMs - heldMs)];
  const total = of(({ totalMs }) => totalMs);
  const share = (values: readonly number[]) => (median(values) / leaseMs).toFixed(2);
  const met = verdict(Math.max(...total) <= limit);
  const name = `lease ${pace.leaseSeconds} s`;
  return [
    row(
      `${name}: power cut of leader and holder, the page answers a third machine`,
      total,
      share(total),
      `<= ${seconds(limit)}, lease + ${AIM_ELECTIONS} elections: ${met}`,
    ),
    row('- until it is held elsewhere', held, share(held)),
    row('- from then on until it answers', served, share(served)),
    row(
      `${name}: SIGTERM to its agent, time without an answer`,
      handOvers,
      '',
      `< ${seconds(AIM_HAND_OVER_MS)}: ${verdict(Math.max(...handOvers) < AIM_HAND_OVER_MS)}`,
    ),
  ];
}

function row(what: string, values: readonly number[], share = '', aim = ''): string[] {
  return [
    `${what} (${values.length} times)`,
    seconds(median(values)),
    seconds(Math.max(...values)),
    share,
    aim,
  ];
}
