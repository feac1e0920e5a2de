/**
 * `npm run bench:failover`: how soon a role is served again after its machine died, against what etcd alone needs
 * for an election, on the same machine with the same timers in one run. `--json` prints the figures alone.
 */
import { loadavg } from 'node:os';
import { bareElections } from './bare-etcd.ts';
import { median, seconds, table, verdict } from './figures.ts';
import { type Failover, LEASE_MS, roleFailovers } from './role-failover.ts';

const ELECTIONS = 7;
const ROUNDS = { powerCuts: 5, handOvers: 5 };
/** Of the bare election, that a role may take beyond its lease. */
const AIM_ELECTIONS = 1.2;
const AIM_HAND_OVER_MS = 1_000;

const json = process.argv.includes('--json');
const say = (line: string) => void (json ? process.stderr : process.stdout).write(`${line}\n`);

const bare = await bareElections(ELECTIONS, say);
const { powerCuts, handOvers } = await roleFailovers(ROUNDS, say);

const election = median(bare);
const limit = LEASE_MS + AIM_ELECTIONS * election;
const of = (figure: (it: Failover) => number) => powerCuts.map(figure);
const total = of(({ totalMs }) => totalMs);
const [held, served] = [of(({ heldMs }) => heldMs), of(({ totalMs, heldMs }) => totalMs - heldMs)];

if (json) {
  const figures = {
    bareElectionMs: bare,
    leaseMs: LEASE_MS,
    powerCuts,
    handOverMs: handOvers,
    limitMs: limit,
  };
  process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
} else {
  const row = (what: string, values: readonly number[], share: string, aim: string) => [
    `${what} (${values.length} times)`,
    seconds(median(values)),
    seconds(Math.max(...values)),
    share,
    aim,
  ];
  const aim = `<= ${seconds(limit)}: lease + ${AIM_ELECTIONS} elections`;
  say(`\nload ${loadavg()[0]?.toFixed(1)}; lease ${seconds(LEASE_MS)} s`);
  say(
    table([
      ['what', 'median s', 'worst s', 'of the lease', 'aim'],
      row('bare etcd: leader killed, a put through another member', bare, '', ''),
      row(
        'role: power cut of leader and holder, the page answers a third machine',
        total,
        (median(total) / LEASE_MS).toFixed(2),
        `${aim}: ${verdict(Math.max(...total) <= limit)}`,
      ),
      row('- until it is held elsewhere', held, (median(held) / LEASE_MS).toFixed(2), ''),
      row('- from then on until it answers', served, (median(served) / LEASE_MS).toFixed(2), ''),
      row(
        'role: SIGTERM to its agent, time without an answer',
        handOvers,
        '',
        `< ${seconds(AIM_HAND_OVER_MS)}: ${verdict(Math.max(...handOvers) < AIM_HAND_OVER_MS)}`,
      ),
    ]),
  );
}
