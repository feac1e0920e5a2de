import * as os from 'node:os';

/**
 * Milliseconds since the machine started, the time that it slept included (CLOCK_BOOTTIME, in steps of 10 ms):
 * the same for all programs of the machine, and untouched when somebody sets the clock.
 */
export function sinceBootMs(): number {
  return Math.round(os.uptime() * 1000);
}
