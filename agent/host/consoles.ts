import * as fs from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';

/** Screen with keyboard, and serial line, as one: what is said is said on all of them, and any may answer. */
interface Consoles {
  /** `/dev/tty1`, `/dev/ttyS0` */
  readonly devices: readonly string[];
  readonly print: (text: string) => void;
  /** The next line from any of them, without its break. What was typed before the question does not count. */
  readonly askLine: (question: string) => Promise<string>;
  readonly close: () => void;
}

/** The kernel's consoles; a name each, the one that is /dev/console last. */
const ACTIVE = '/sys/class/tty/console/active';
/** More than any answer: a line that never ends is noise. */
const LONGEST_LINE = 1024;

/**
 * The kernel's own consoles (console= of its command line). One that cannot be opened is left out; there may be none.
 *
 * @param devices instead of these
 */
export function openConsoles(devices: readonly string[] = activeConsoles()): Consoles {
  const opened = devices.flatMap((device) => openConsole(device) ?? []);
  let answer: ((line: string) => void) | undefined;
  for (const one of opened) {
    let rest = '';
    one.input.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('utf8')).split(/\r?\n|\r/);
      rest = (lines.pop() ?? '').slice(-LONGEST_LINE);
      for (const line of lines) {
        if (answer === undefined) continue;
        // Its own echo has shown it there.
        for (const other of opened) if (other !== one) other.output.write(`${line}\r\n`);
        answer(line);
        answer = undefined;
      }
    });
    // A console that is gone, such as a serial line over USB, is not asked again.
    one.input.on('error', () => one.input.destroy());
    one.output.on('error', () => one.output.destroy());
  }
  const print = (text: string) => {
    for (const { output } of opened) if (!output.destroyed) output.write(text);
  };
  return {
    devices: opened.map(({ device }) => device),
    print,
    askLine(question) {
      print(question);
      return new Promise((resolve) => {
        answer = resolve;
      });
    },
    close() {
      for (const { input, output } of opened) {
        input.destroy();
        output.destroy();
      }
    },
  };
}

function activeConsoles(): string[] {
  let names: string;
  try {
    names = fs.readFileSync(ACTIVE, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw cause;
  }
  // tty0 is whichever screen is shown; the first one is ours.
  return names
    .trim()
    .split(/\s+/)
    .filter((name) => name !== '')
    .map((name) => `/dev/${name === 'tty0' ? 'tty1' : name}`);
}

function openConsole(device: string) {
  const { O_RDWR, O_NOCTTY, O_NONBLOCK } = fs.constants;
  const open = () => fs.openSync(device, O_RDWR | O_NOCTTY | O_NONBLOCK);
  try {
    return { device, input: new ReadStream(open()), output: new WriteStream(open()) };
  } catch {
    // A port that the kernel was told of and that the machine does not have.
    return undefined;
  }
}
