import { LABEL } from './settings.ts';

/** Host names that an image comes with: many machines would share them. */
const SHARED = new Set(['localhost', 'clusteros', 'debian', 'ubuntu']);

/**
 * What the node is called: its setting, else its host name, else a name made from its identity, which is the
 * same after each reboot and differs from machine to machine.
 *
 * @param fallback hexadecimal digits that belong to the identity; absent when there is none
 */
export function nodeName(
  setting: string | undefined,
  hostname: string,
  fallback: string | undefined,
): string {
  if (setting !== undefined) return setting;
  const label = hostname.toLowerCase().split('.')[0] ?? '';
  if (LABEL.test(label) && !SHARED.has(label)) return label;
  return fallback === undefined ? 'node' : `node-${fallback.slice(0, 6)}`;
}
