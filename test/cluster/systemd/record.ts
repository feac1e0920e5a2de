import { headline } from '../../../agent/status.ts';
import type { LoggedLine, Machine, MachineRecord } from '../machines.ts';

const LINES = 400;
const ENGINES = ['serf', 'etcd', 'wireguard', 'role-page'];
const LIMIT_MS = 120_000;

/** From inside while the machine answers; else what its console said. @param said the end of the console */
export async function recordOf(machine: Machine, said: string): Promise<MachineRecord> {
  const { name } = machine;
  const console = { console: said };
  const nothing = { name, lines: [], conditions: [], processes: [], engines: console };
  if (!machine.on) return { ...nothing, headline: 'off' };
  try {
    const status = await machine
      .agentStatus()
      .catch((error: unknown) => `no status: ${(error as Error).message}`);
    const engines: Record<string, string> = {};
    for (const unit of ENGINES) engines[unit] = await journalOf(machine, `clusteros-${unit}`, 'cat');
    return {
      name,
      lines: linesIn(await journalOf(machine, 'node-agent', 'short-unix')),
      headline: typeof status === 'string' ? status : headline(status),
      conditions:
        typeof status === 'string'
          ? []
          : status.conditions.map((each) => `${each.code} since ${each.since}: ${each.summary}`),
      engines: { ...engines, ...console },
      processes: (await machine.processes()).map(({ pid, argv }) => `${pid} ${argv.join(' ')}`),
    };
  } catch (error) {
    return { ...nothing, headline: `does not answer: ${(error as Error).message}` };
  }
}

/** The end of what a unit, or all of a pattern, said. */
export function journalOf(machine: Pick<Machine, 'must'>, unit: string, output: string): Promise<string> {
  const argv = ['journalctl', '--no-pager', `--unit=${unit}`, `--lines=${LINES}`, `--output=${output}`];
  return machine.must(argv, { timeoutMs: LIMIT_MS });
}

/** `1795234748.123456 node-1 node-agent[515]: ready` */
function linesIn(text: string): LoggedLine[] {
  return text.split('\n').flatMap((line) => {
    const [, seconds, said] = /^(\d+\.\d+) \S+ (.*)$/.exec(line) ?? [];
    return seconds === undefined || said === undefined
      ? []
      : [{ atMs: Number(seconds) * 1000, text: said.replace(/^node-agent\[\d+\]: /, '') }];
  });
}
