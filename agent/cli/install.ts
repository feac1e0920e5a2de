import { describeError } from '../errors.ts';
import { consoles, processes, programs, terminal } from '../host.ts';
import { type Installed, install } from '../installer/install.ts';
import type { Asker } from './confirm.ts';
import type { Context, Options } from './context.ts';

interface InstallFlags extends Options {
  readonly source: string;
  readonly medium?: string;
  readonly consoles?: boolean;
  readonly loop?: string;
}

/** The installer of a live medium. @throws AgentError `install.*` */
export async function installSystem(context: Context, flags: InstallFlags): Promise<void> {
  if (flags.consoles) return await installOnConsoles(context, flags);
  const { asker = terminal, print } = context;
  const result = await once(context, flags, asker, (text) => print('stderr', text));
  if (flags.json && result !== undefined) print('stdout', `${JSON.stringify(result, undefined, 2)}\n`);
  if (flags.loop === undefined && result !== undefined && result.after !== 'wait') {
    await programs.runOk(['systemctl', result.after]);
  }
}

/** As the live system starts it: whoever sits at one of the consoles can look at a failure and go on. */
async function installOnConsoles(context: Context, flags: InstallFlags): Promise<void> {
  const opened = consoles.openConsoles();
  const stop = processes.stopSignal();
  const print = (text: string) => {
    opened.print(text.replaceAll('\n', '\r\n'));
    // For the journal, without what is drawn again and again.
    if (!text.startsWith('\r')) context.print('stderr', text);
  };
  const asker: Asker = {
    isInteractive: () => opened.devices.length > 0,
    askLine: (question) => untilStopped(opened.askLine(question), stop),
  };
  try {
    print('\n\nCluster-OS installer\n\n');
    for (;;) {
      const result = await once(context, flags, asker, print, stop).catch((error: unknown) => {
        if (stop.aborted) throw error;
        print(`\n${describeError(error)}\n`);
        return undefined;
      });
      const next = result === undefined || result.after === 'wait' ? await ask(asker, result) : result.after;
      if (next !== 'again') return void (await programs.runOk(['systemctl', next]));
    }
  } finally {
    opened.close();
  }
}

async function ask(asker: Asker, done: Installed | undefined): Promise<'again' | 'reboot' | 'poweroff'> {
  const again = done === undefined ? 'Press Enter to begin again, or type' : 'Type';
  for (;;) {
    const said = (await asker.askLine(`\r\n${again} reboot or poweroff: `)).trim().toLowerCase();
    if (said === 'reboot' || said === 'poweroff') return said;
    if (said === '' && done === undefined) return 'again';
  }
}

function untilStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const refuse = () => reject(new Error('stopped'));
    if (stop.aborted) return refuse();
    stop.addEventListener('abort', refuse, { once: true });
    work.then(resolve, reject).finally(() => stop.removeEventListener('abort', refuse));
  });
}

async function once(
  { paths }: Context,
  flags: InstallFlags,
  asker: Asker,
  print: (text: string) => void,
  stop?: AbortSignal,
): Promise<Installed | undefined> {
  const redrawn = asker.isInteractive();
  let last = '';
  const line = (text: string) => {
    print(`${redrawn && last !== '' ? '\n' : ''}${text}\n`);
    last = '';
  };
  const result = await install({
    source: flags.source,
    medium: flags.medium === undefined ? [] : flags.medium.split(','),
    paths,
    asker,
    signal: stop ?? (flags.loop === undefined ? processes.stopSignal() : undefined),
    loops: flags.loop?.split(','),
    say: line,
    sayProgress: (text) => {
      // One for each percent: a line of a log, or a line that changes; a serial line is slow.
      const mark = text.slice(0, 20);
      if (mark === last) return;
      last = mark;
      print(redrawn ? `\r\x1b[K${text}` : `${text}\n`);
    },
  });
  if (result === undefined) line('Nothing was installed.');
  return result;
}
