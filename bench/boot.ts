import { waitUntilBooted } from '../qemu/booted.ts';
import type { Machine } from '../qemu/machine.ts';
import { makeNode } from '../test/nodes.ts';

const ROUNDS = 3;

interface BootFigures {
  /** Median seconds from the kernel's start to multi-user.target with the agent disabled. */
  readonly plain: number;
  /** Median seconds from the kernel's start to the agent's READY=1. */
  readonly agent: number;
  readonly rounds: number;
}

/** Boots of one machine, with and without the agent by turns, so that both see the same weather. */
export async function bootFigures(image: string): Promise<BootFigures> {
  const machine = await makeNode({ name: 'bench-boot', image });
  try {
    // The first boot makes the identity and grows the disk; it is not counted.
    await bootOnce(machine);
    const plain: number[] = [];
    const agent: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await machine.guest.run(['systemctl', 'disable', 'node-agent']);
      await machine.powerdown();
      await bootOnce(machine);
      plain.push(await reached(machine, 'multi-user.target'));
      await machine.guest.run(['systemctl', 'enable', 'node-agent']);
      await machine.powerdown();
      await bootOnce(machine);
      agent.push(await reached(machine, 'node-agent.service'));
    }
    return { plain: median(plain), agent: median(agent), rounds: ROUNDS };
  } finally {
    await machine.dispose();
  }
}

async function bootOnce(machine: Machine): Promise<void> {
  await machine.start();
  await waitUntilBooted(machine);
}

/** Seconds after the kernel's start at which a unit became active. */
async function reached(machine: Machine, unit: string): Promise<number> {
  const shown = await machine.guest.run([
    'systemctl',
    'show',
    unit,
    '--property=ActiveEnterTimestampMonotonic',
    '--value',
  ]);
  const microseconds = Number(shown.stdout);
  if (!(microseconds > 0)) throw new Error(`${unit} never became active`);
  return microseconds / 1e6;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
