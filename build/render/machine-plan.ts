/** What of a plan a running machine can be given. Pure. */
import { container } from '../../image-layers/container.ts';
import type { LayerUnit } from '../../image-layers/layer.ts';
import type { Plan } from '../definition/plan.ts';

/**
 * A plan without what would take the ground from under the machine that Packer runs: a container's layer removes
 * kernel, boot loader and device nodes. The assembly, which applies the whole plan to what comes out, does that then.
 * So a container's root file system is the one of a disk, and Packer runs once for both.
 */
export function machinePlan(plan: Plan): Plan {
  if (!plan.layers.some(({ name }) => name === container.name)) return plan;
  const layers = plan.layers.filter(({ name }) => name !== container.name);
  const kept = new Set(layers.flatMap((layer) => layer.files.map(({ path }) => path)));
  const gone = new Set(container.files.map(({ path }) => path).filter((path) => !kept.has(path)));
  return {
    ...plan,
    target: 'qcow2',
    layers,
    files: plan.files.filter(({ path }) => !gone.has(path)),
    links: layers.flatMap((layer) => layer.links),
    units: lastWords(layers.flatMap((layer) => layer.units)),
    removes: [...new Set(layers.flatMap((layer) => layer.removes))],
  };
}

/** A later layer has the last word on a unit. */
function lastWords(units: readonly LayerUnit[]): LayerUnit[] {
  return [...new Map(units.map((unit) => [unit.unit, unit])).values()];
}
