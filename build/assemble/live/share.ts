import type { AssembleOptions } from '../targets.ts';

/** Progress of a step that is a share of the whole, which is measured by the files of the system. */
export function share(
  { root, onProgress }: Pick<AssembleOptions, 'root' | 'onProgress'>,
  from: number,
  to: number,
): (done: number, total: number) => void {
  const whole = [...root.tree.values()].reduce((sum, { size }) => sum + size, 0);
  return (done, total) => onProgress?.(Math.round((from + ((to - from) * done) / total) * whole), whole);
}
