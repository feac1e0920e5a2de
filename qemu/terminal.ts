import { interrupted } from '../build/host.ts';
import type { Machine } from './machine.ts';

/** Ctrl-], as telnet and virsh have it. */
const LEAVE = 0x1d;

/** A terminal, or what stands for one: our stdin and stdout. */
export interface Terminal {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WritableStream;
}

/**
 * Give the terminal to the serial console until Ctrl-], the end of the machine or the signal. What it has said
 * already is shown first. An input that is no terminal is not read: the console is only shown then.
 *
 * @throws OperatorError `interrupted`
 */
export async function attachConsole(
  machine: Machine,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { input, output } = terminal;
  output.write(machine.console.text.replaceAll('\n', '\r\n'));
  const unlisten = machine.onConsole((chunk) => output.write(chunk));
  try {
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => reject(interrupted());
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      void machine.ended().then(resolve);
      if (!input.isTTY) return;
      input.setRawMode(true);
      input.on('data', (chunk) => {
        const bytes = Buffer.from(chunk);
        const leave = bytes.indexOf(LEAVE);
        const typed = leave < 0 ? bytes : bytes.subarray(0, leave);
        if (typed.length > 0 && machine.running) machine.type(typed);
        if (leave >= 0) resolve();
      });
      input.resume();
    });
  } finally {
    unlisten();
    if (input.isTTY) {
      input.removeAllListeners('data');
      input.setRawMode(false);
      input.pause();
    }
  }
}
