/** The installer's questions on the serial console, answered as somebody there would. */
import type { Machine } from '../../qemu/machine.ts';
import { LIVE_LIMIT_MS } from './machines.ts';

/** At the end of what was said: it waits for an answer. */
const QUESTION =
  /(?:Number of the disk to install to, .*|Type .* to install, .*|Press Enter to begin again, .*|Type reboot or poweroff): $/;

/** @returns all that was said since `from`, up to the question that waits now */
export async function asked(machine: Machine, from = 0, deadlineMs = LIVE_LIMIT_MS): Promise<string> {
  await machine.waitForConsole(QUESTION, { deadlineMs, from });
  return machine.console.since(from);
}

/** Type a line. @returns what was said, up to the next question */
export async function say(machine: Machine, line: string): Promise<string> {
  const from = machine.console.position;
  machine.type(`${line}\r`);
  return await asked(machine, from);
}

/** As one line of text, however the console broke it. */
export function unfolded(said: string): string {
  return said.replace(/\s+/g, ' ');
}
