import type { Machine } from './machines.ts';

/**
 * The share of pings that were answered: 1 when all were.
 *
 * @param to an address, or a name that `from` knows
 * @param waitS for the answer of each
 */
export async function answered(from: Machine, to: string, count = 3, waitS = 0.5): Promise<number> {
  const argv = ['ping', '-n', '-q', '-i', '0.005', '-W', String(waitS), '-c', String(count), to];
  const { stdout, stderr } = await from.exec(argv, { timeoutMs: 60_000 });
  const received = /(\d+) received/.exec(stdout)?.[1];
  if (received === undefined) throw new Error(`ping ${to} on ${from.name}: ${stdout}${stderr}`);
  return Number(received) / count;
}

/** The tests' machine has much to do beside. */
const BUSY_S = 5;

/** Every machine reaches every address, or the error says who does not reach what. */
export async function allReach(machines: readonly Machine[], targets: readonly string[]): Promise<void> {
  const failures = await Promise.all(
    machines.map(async (machine) => {
      const missed: string[] = [];
      for (const target of targets) {
        const share = await answered(machine, target, 1, BUSY_S).catch(() => 0);
        if (share === 0) missed.push(target);
      }
      return missed.length === 0 ? [] : [`${machine.name} does not reach ${missed.join(', ')}`];
    }),
  );
  if (failures.flat().length > 0) throw new Error(failures.flat().join('; '));
}
