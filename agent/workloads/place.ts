import { type Labels, unmet } from '../config/labels.ts';
import type { WorkloadName, WorkloadSettings } from '../config/workloads.ts';
import type { Obstacle } from './workload.ts';

/** Whether this node is a place for the workload, by its settings and its labels. Pure. */
export function mayPlace<N extends WorkloadName>(
  name: N,
  { enabled, where }: WorkloadSettings[N],
  labels: Labels,
): true | Obstacle {
  const setting = `workloads.${name}`;
  if (!enabled) {
    return {
      reason: 'the settings of this node leave it to others',
      endedBy: `the setting ${setting}.enabled`,
    };
  }
  const reason = unmet(where, labels);
  if (reason === undefined) return true;
  return { reason, endedBy: `another label: node-agent label; or the setting ${setting}.where` };
}
