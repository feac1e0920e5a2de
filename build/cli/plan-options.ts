import type { Command } from 'commander';
import { readHostFacts } from '../definition/host-facts.ts';
import { loadDefinition } from '../definition/load.ts';
import { makePlan, type PlanFlags } from '../definition/make-plan.ts';
import type { Plan } from '../definition/plan.ts';
import type { Context } from './context.ts';

/** The flags that stand over the definition: the same on every command that makes a plan. */
export function withPlanOptions(command: Command): Command {
  return command
    .option('--target <target>', 'what to build: qcow2 (default: targets of the definition)')
    .option('--base <base>', 'what to build on: debian-13, debian-12, ubuntu-24.04, ubuntu-26.04')
    .option('--mirror <url>', 'the archive to take packages from');
}

/** The plan for a command line: definition, this machine's facts, flags. @throws OperatorError */
export async function planFor(context: Context, flags: PlanFlags): Promise<Plan> {
  const [definition, host] = await Promise.all([
    loadDefinition(context.globals().definition),
    readHostFacts(),
  ]);
  return makePlan(definition, host, flags);
}
