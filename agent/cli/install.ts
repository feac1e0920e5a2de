import { processes, programs, terminal } from '../host.ts';
import { install } from '../installer/install.ts';
import type { Context, Options } from './context.ts';

interface InstallFlags extends Options {
  readonly source: string;
  readonly medium?: string;
  readonly loop?: string;
}

/** The installer of a live medium. @throws AgentError `install.*` */
export async function installSystem(context: Context, flags: InstallFlags): Promise<void> {
  const { print, paths, asker = terminal } = context;
  const redrawn = asker.isInteractive();
  let last = '';
  const line = (text: string) => {
    print('stderr', `${redrawn && last !== '' ? '\n' : ''}${text}\n`);
    last = '';
  };
  const result = await install({
    source: flags.source,
    medium: flags.medium === undefined ? [] : flags.medium.split(','),
    paths,
    asker,
    signal: flags.loop === undefined ? processes.stopSignal() : undefined,
    loops: flags.loop?.split(','),
    say: line,
    sayProgress: (text) => {
      // A log gets a line for each percent, a console one line that changes.
      const mark = redrawn ? text : text.slice(0, 20);
      if (mark === last) return;
      last = mark;
      print('stderr', redrawn ? `\r\x1b[K${text}` : `${text}\n`);
    },
  });
  if (result === undefined) return line('Nothing was installed.');
  if (flags.json) print('stdout', `${JSON.stringify(result, undefined, 2)}\n`);
  if (flags.loop !== undefined || result.after === 'wait') return;
  await programs.runOk(['systemctl', result.after]);
}
