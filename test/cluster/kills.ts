/** Kill -9 of any program of any machine, at random moments that a seed decides. */
import { randomFrom } from '../../agent/testing/random.ts';
import { clock } from '../../build/host.ts';
import type { Machine } from './machines.ts';

/** The agent, and what it runs. */
const PROGRAMS = ['node-agent', 'serf', 'etcd', 'wireguard-go'] as const;
/** How long a service manager takes until the agent is started again, at most. */
const RESTART_MS = 3_000;

interface Killer {
  /** This many more kills, on machines that are on. @throws Error when an agent does not start again */
  kill(machines: readonly Machine[], count: number): Promise<void>;
  /** How often each program was killed, as words. */
  toll(): string;
}

/** @param longestPauseMs between two kills */
export function createKiller(seed: number, longestPauseMs: number): Killer {
  const random = randomFrom(seed);
  const toll = new Map<string, number>();
  const count = (program: string) => toll.set(program, (toll.get(program) ?? 0) + 1);
  return {
    async kill(machines, kills) {
      const restarts: Promise<void>[] = [];
      for (let left = kills; left > 0; ) {
        // Often at once: the pause is short more often than long.
        await clock.pause(longestPauseMs * random.next() ** 2);
        const machine = random.pick(machines.filter(({ on }) => on));
        const program = random.pick(PROGRAMS);
        if (program === 'node-agent') {
          if (machine.agentExit() !== undefined) continue;
          await machine.killAgent();
          restarts.push(clock.pause(RESTART_MS * random.next()).then(() => machine.startAgent()));
        } else if ((await machine.kill(program, 'SIGKILL')) === 0) {
          // A client has no etcd, and what was killed a moment ago is not up yet.
          continue;
        }
        count(program);
        left -= 1;
      }
      await Promise.all(restarts);
    },
    toll: () =>
      [...toll]
        .sort()
        .map(([program, times]) => `${program} ${times}`)
        .join(', '),
  };
}
