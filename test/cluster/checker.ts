/** Shows that no acknowledged write is lost: writers on the machines, and a look at all they wrote in the end. */
import assert from 'node:assert/strict';
import * as path from 'node:path';
import { PINNED_NODE } from './agent-bundle.ts';
import type { Orders } from './checker-program.ts';
import { type CheckReport, judge, type Stored } from './checker-report.ts';
import { endOf } from './in-background.ts';
import type { Machine } from './machines.ts';
import { eventually } from './waits.ts';

export interface Checker {
  /**
   * Let these machines write, those that do already as well: they learn the voters' addresses of now. A machine
   * whose power was cut writes again only after this.
   */
  write(machines: readonly Machine[]): Promise<void>;
  /** Writes acknowledged so far. */
  acknowledged(): Promise<number>;
  /** Wait until so many more are acknowledged: the cluster can be written to. */
  progress(sentence: string, deadlineMs: number, writes?: number): Promise<void>;
  /**
   * End the writers and read everything back through each voter.
   *
   * @throws AssertionError that names lost, changed and strange keys
   */
  finish(machines: readonly Machine[]): Promise<CheckReport>;
}

interface CheckerOptions {
  /** Writes a second by each machine; 4 unless given. */
  readonly rate?: number;
}

interface Writer {
  readonly machine: Machine;
  readonly folder: string;
  readonly prefix: string;
  /** Whether it runs still. */
  running: boolean;
  /** Why it failed. */
  readonly ended: Promise<string | undefined>;
}

const PROGRAM = path.join(import.meta.dirname, 'checker-program.ts');
const KEYS = '/checker/';
const LONGEST_MS = 3 * 3_600_000;
const CLIENT_PORT = 7374;

export function createChecker({ rate = 4 }: CheckerOptions = {}): Checker {
  const writers: Writer[] = [];

  const start = async (machine: Machine, endpoints: string): Promise<void> => {
    const number = writers.filter((writer) => writer.machine === machine).length + 1;
    const folder = `/tmp/checker-${number}`;
    const prefix = `${KEYS}${machine.name}/${number}/`;
    await machine.writeFile(`${folder}/endpoints`, endpoints);
    await machine.writeFile(`${folder}/journal`, '');
    const orders: Orders = {
      do: 'write',
      run: machine.paths.run,
      prefix,
      journal: `${folder}/journal`,
      endpoints: `${folder}/endpoints`,
      everyMs: 1000 / rate,
    };
    const ended = machine
      .exec(argvFor(orders), { timeoutMs: LONGEST_MS })
      .then(endOf, (error: unknown) => String(error))
      .finally(() => {
        writer.running = false;
      });
    const writer: Writer = { machine, folder, prefix, running: true, ended };
    writers.push(writer);
  };

  const journals = async () =>
    new Map(
      await Promise.all(
        writers.map(async ({ machine, folder, prefix }) => {
          return [prefix, await machine.readText(`${folder}/journal`)] as const;
        }),
      ),
    );

  const acknowledged = async () =>
    [...(await journals()).values()].reduce((sum, text) => sum + (text.match(/^ok /gm)?.length ?? 0), 0);

  return {
    async write(machines) {
      const endpoints = `${(await voterEndpoints(machines)).join('\n')}\n`;
      for (const machine of machines) {
        const current = writers.find((writer) => writer.machine === machine && writer.running);
        if (current === undefined) await start(machine, endpoints);
      }
      for (const { machine, folder, running } of writers) {
        if (running && machine.on) await machine.writeFile(`${folder}/endpoints`, endpoints);
      }
    },
    acknowledged,
    async progress(sentence, deadlineMs, writes = 10) {
      const before = await acknowledged();
      await eventually(
        sentence,
        async () => {
          const more = (await acknowledged()) - before;
          if (more < writes) throw new Error(`${more} writes acknowledged since`);
          return true;
        },
        { deadlineMs },
      );
    },
    async finish(machines) {
      for (const { machine, folder, running } of writers) {
        if (running) await machine.writeFile(`${folder}/stop`, '');
      }
      const ends = await Promise.all(writers.map(({ ended }) => ended));
      assert.deepEqual(ends.filter(Boolean), [], 'a writer failed');
      const written = await journals();
      const [reader] = machines;
      if (reader === undefined) throw new Error('no machine to read with');
      const reports: CheckReport[] = [];
      for (const endpoint of await voterEndpoints(machines)) {
        reports.push(judge(written, await readBack(reader, endpoint)));
      }
      const faults = reports.flatMap((report) => report.faults);
      assert.deepEqual(faults.slice(0, 20), [], `${faults.length} faults`);
      const [report] = reports;
      if (report === undefined) throw new Error('no voter to read from');
      assert.ok(report.acknowledged > 0, 'no write was acknowledged');
      return report;
    },
  };
}

function argvFor(orders: Orders): string[] {
  return [PINNED_NODE, '--disable-warning=ExperimentalWarning', PROGRAM, JSON.stringify(orders)];
}

async function readBack(machine: Machine, endpoint: string): Promise<Map<string, Stored>> {
  const orders: Orders = { do: 'read', run: machine.paths.run, prefix: KEYS, endpoint };
  // Its etcd may be started again at any moment, when the timers change.
  const text = await eventually(
    `${machine.name} reads at ${endpoint}`,
    () => machine.must(argvFor(orders), { timeoutMs: 60_000 }),
    { deadlineMs: 60_000, everyMs: 1_000 },
  );
  const rows = JSON.parse(text) as [string, string, string][];
  return new Map(rows.map(([key, value, version]) => [key, { value, version }]));
}

/** Where the voters of now are asked, as the first machine that knows them says. */
async function voterEndpoints(machines: readonly Machine[]): Promise<string[]> {
  return eventually(
    'a machine to know the voters',
    async () => {
      for (const machine of machines.filter(({ on }) => on)) {
        const { members = [] } = await machine.agentStatus();
        const voters = members.filter(({ place }) => place === 'voter');
        const addresses = voters.flatMap(({ meshAddress }) => meshAddress ?? []);
        if (addresses.length > 0) return addresses.map((address) => `https://${address}:${CLIENT_PORT}`);
      }
      return undefined;
    },
    { deadlineMs: 60_000 },
  );
}
