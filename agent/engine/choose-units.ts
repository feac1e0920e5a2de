import type { Environment, Paths } from '../paths.ts';
import { childUnits } from './child-units.ts';
import { systemdUnits } from './systemd-units.ts';
import type { Units } from './units.ts';

/** Under systemd its units, elsewhere children. systemd gives each run of a unit an id; see systemd.exec(5). */
export function unitsFor({ run }: Pick<Paths, 'run'>, environment: Environment): Units {
  const underSystemd = environment.INVOCATION_ID !== undefined && environment.NOTIFY_SOCKET !== undefined;
  return underSystemd ? systemdUnits(run) : childUnits(run, {});
}
