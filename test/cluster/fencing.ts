/** Shows that a role has at no instant two holders: a watcher on each machine, and a look at all their notes. */
import assert from 'node:assert/strict';
import * as path from 'node:path';
import { PINNED_NODE } from './agent-bundle.ts';
import { endOf } from './in-background.ts';
import type { Machine } from './machines.ts';
import { type HandOver, handOversIn, largestGapMs, overlapsIn, type Tenure, tenuresIn } from './tenures.ts';
import { eventually } from './waits.ts';

interface FencingReport {
  readonly tenures: readonly Tenure[];
  /** By the page itself: listening or answering. */
  readonly handOvers: readonly HandOver[];
  readonly largestGapMs: number;
}

interface Fencing {
  /** Watch again on a machine whose power was cut. */
  watch(machine: Machine): Promise<void>;
  /** End the watchers. @throws AssertionError that names who held it together, when and for how long */
  finish(): Promise<FencingReport>;
}

const PROGRAM = path.join(import.meta.dirname, 'fencing-program.ts');
const LONGEST_MS = 3 * 3_600_000;
/** The page's, with the usual range of the mesh. */
const SERVICE_ADDRESS = '10.42.255.1';

/** The machines must be on. Settles when all are watched. */
export async function watchFencing(machines: readonly Machine[]): Promise<Fencing> {
  const runs: { machine: Machine; folder: string; ended: Promise<string | undefined> }[] = [];
  const watch = async (machine: Machine) => {
    const number = runs.filter((run) => run.machine === machine).length + 1;
    const folder = `/tmp/fencing-${number}`;
    const argv = [PINNED_NODE, '--disable-warning=ExperimentalWarning', PROGRAM, SERVICE_ADDRESS];
    const ended = machine
      .must(['mkdir', '-p', folder])
      .then(() => machine.exec([...argv, `${folder}/journal`], { timeoutMs: LONGEST_MS }))
      .then(endOf, (error: unknown) => String(error));
    runs.push({ machine, folder, ended });
    await eventually(`${machine.name} is watched`, () => machine.readText(`${folder}/journal`), {
      deadlineMs: 120_000,
    });
  };
  await Promise.all(machines.map(watch));
  return {
    watch,
    async finish() {
      for (const { machine, folder } of runs) await machine.writeFile(`${folder}/stop`, '');
      const ends = await Promise.all(runs.map(({ ended }) => ended));
      assert.deepEqual(ends.filter(Boolean), [], 'a watcher failed');
      const journals = await Promise.all(
        runs.map(async ({ machine, folder }) => ({
          machine: machine.name,
          text: await machine.readText(`${folder}/journal`),
        })),
      );
      const of = (signs: string) => journals.flatMap(({ machine, text }) => tenuresIn(machine, text, signs));
      const tenures = of('alp').toSorted((a, b) => a.fromMs - b.fromMs);
      const shown = tenures.map(
        ({ machine, fromMs, toMs }) => `${machine} ${fromMs.toFixed(0)}-${toMs.toFixed(0)}`,
      );
      assert.ok(tenures.length > 0, 'nobody was seen with the role');
      assert.deepEqual(overlapsIn(tenures), [], `two holders at one instant: ${shown.join(', ')}`);
      return {
        tenures,
        handOvers: handOversIn(of('lp')),
        largestGapMs: Math.max(...journals.map(({ text }) => largestGapMs(text))),
      };
    },
  };
}
