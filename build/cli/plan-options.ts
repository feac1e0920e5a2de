import { type Command, Option } from 'commander';
import { readHostFacts } from '../definition/host-facts.ts';
import { loadDefinition } from '../definition/load.ts';
import { makePlans, type PlanFlags } from '../definition/make-plan.ts';
import { type Plan, TARGETS } from '../definition/plan.ts';
import type { Context } from './context.ts';

/** The flags that stand over the definition: the same on every command that makes a plan. */
export function withPlanOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--target <targets>',
        `what to build: ${TARGETS.join(', ')}, all; several with commas (default: targets of the definition)`,
      ).argParser((words: string, before: readonly string[] = []) => [...before, words]),
    )
    .option('--base <base>', 'what to build on: debian-13, debian-12, ubuntu-24.04, ubuntu-26.04')
    .option('--mirror <url>', 'the archive to take packages from');
}

/** The plans for a command line, one for each target: definition, this machine's facts, flags. @throws OperatorError */
export async function plansFor(context: Context, flags: PlanFlags): Promise<Plan[]> {
  const [definition, host] = await Promise.all([
    loadDefinition(context.globals().definition),
    readHostFacts(),
  ]);
  return makePlans(definition, host, flags);
}
