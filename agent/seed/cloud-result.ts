/** What cloud-init says of its own work: status.json of its run folder. Pure; its messages may quote the seed, and stay there. */
import * as z from 'zod';

const stageSchema = z.object({
  errors: z.array(z.unknown()).optional(),
  /** Since 23.4: by level, such as WARNING. */
  recoverable_errors: z.record(z.string(), z.array(z.unknown())).optional(),
});
const statusSchema = z.object({ v1: z.record(z.string(), z.unknown()) });

/** Said of what will go away in some later release, which no operator of this one needs to know. */
const LEVELS = ['WARNING', 'ERROR', 'CRITICAL'];

export interface CloudResult {
  /** `init-local: 2`, by stage; empty when all went well. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

/** Undefined for what is no status, such as one that is being written. */
export function parseCloudStatus(text: string): CloudResult | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { data } = statusSchema.safeParse(value);
  if (data === undefined) return undefined;
  const stages = Object.entries(data.v1).flatMap(([name, stage]) => {
    const found = stageSchema.safeParse(stage).data;
    return found === undefined ? [] : [{ name: name.replace(/[^\w-]/g, '?').slice(0, 32), ...found }];
  });
  const counted = (count: (stage: (typeof stages)[number]) => number) =>
    stages.flatMap((stage) => (count(stage) > 0 ? [`${stage.name}: ${count(stage)}`] : []));
  return {
    errors: counted(({ errors = [] }) => errors.length),
    warnings: counted(({ recoverable_errors: found = {} }) =>
      LEVELS.reduce((sum, level) => sum + (found[level]?.length ?? 0), 0),
    ),
  };
}
