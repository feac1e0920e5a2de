import type { ExecResult } from './machines.ts';

/** Of a program that ends when its power does. */
const POWER_CUT = 128 + 9;

/** Why a program that runs beside a scenario failed; undefined when it was told to end, or its machine lost power. */
export function endOf({ code, stdout, stderr }: ExecResult): string | undefined {
  return code === 0 || code === POWER_CUT ? undefined : `exit code ${code}: ${stderr}${stdout}`;
}
