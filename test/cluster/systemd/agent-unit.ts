/** What machines with a systemd of their own have in common, whatever they are made of: the agent is a unit there. */
import type { StatusDocument } from '../../../agent/api/view.ts';
import { clock } from '../../../build/host.ts';
import type { Machine, MachineProcess } from '../machines.ts';
import { brief } from '../status.ts';
import { eventually } from '../waits.ts';
import { processesIn } from './processes.ts';

/** Where the agent of our image keeps things. */
export const IMAGE_PATHS: Machine['paths'] = {
  state: '/var/lib/clusteros',
  run: '/run/clusteros',
  config: '/etc/clusteros/node.yaml',
  hosts: '/etc/hosts',
};

const UNIT = 'node-agent.service';

type AgentPart = Pick<
  Machine,
  'startAgent' | 'stopAgent' | 'killAgent' | 'agentExit' | 'kill' | 'processes' | 'agentStatus' | 'until'
>;

/** How a machine's agent is asked for its status, and no more often than this: answering costs it work. */
interface Asking {
  readonly ask: (machine: Machine) => Promise<StatusDocument>;
  readonly everyMs: number;
}

/** @param of the machine, once it is there */
export function agentUnit(of: () => Machine, { ask, everyMs }: Asking): AgentPart {
  const systemctl = async (...words: string[]) => void (await of().must(['systemctl', ...words, UNIT]));
  let asked: { readonly atMs: number; readonly answer: Promise<StatusDocument> } | undefined;
  return {
    startAgent: () => systemctl('start'),
    stopAgent: () => systemctl('stop'),
    // systemd starts it again after two seconds.
    killAgent: () => systemctl('kill', '--signal=KILL'),
    agentExit: () => undefined,
    async kill(programName, signal) {
      const found = (await of().processes()).filter((each) => each.name === programName);
      const numbers = found.map(({ pid }) => String(pid));
      if (numbers.length > 0) await of().exec(['kill', `-${signal}`, ...numbers]);
      return numbers.length;
    },
    processes: async (): Promise<MachineProcess[]> =>
      of().on ? processesIn(await of().must(['ps', '-ww', '-eo', 'pid=,args='])) : [],
    agentStatus() {
      const nowMs = clock.monotonicMs();
      if (asked === undefined || nowMs - asked.atMs >= everyMs) {
        asked = { atMs: nowMs, answer: ask(of()) };
      }
      return asked.answer;
    },
    async until(sentence, wanted, deadlineMs) {
      return eventually(
        `${of().name}: ${sentence}`,
        async () => {
          const status = await of().agentStatus();
          if (!wanted(status)) throw new Error(brief(status));
          return status;
        },
        { deadlineMs, everyMs },
      );
    },
  };
}
