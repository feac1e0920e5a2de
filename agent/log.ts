/**
 * One line for each event, for journald: the `<N>` in front is the priority of sd-daemon(3). Secrets never
 * reach this module; what is logged is names, states, ids and fingerprints.
 */

export const LOG_LEVELS = ['error', 'warning', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const PRIORITY: Readonly<Record<LogLevel, number>> = { error: 3, warning: 4, info: 6, debug: 7 };

export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  error(event: string, fields?: Fields): void;
  warning(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  debug(event: string, fields?: Fields): void;
  setLevel(level: LogLevel): void;
}

interface LogOptions {
  readonly write: (line: string) => void;
  readonly level?: LogLevel;
  readonly format?: 'text' | 'json';
}

export function createLog({ write, level = 'info', format = 'text' }: LogOptions): Log {
  let threshold = PRIORITY[level];
  const at =
    (name: LogLevel) =>
    (event: string, fields: Fields = {}) => {
      if (PRIORITY[name] > threshold) return;
      const line =
        format === 'json' ? JSON.stringify({ level: name, event, ...fields }) : asText(event, fields);
      write(format === 'json' ? `${line}\n` : `<${PRIORITY[name]}>${line}\n`);
    };
  return {
    error: at('error'),
    warning: at('warning'),
    info: at('info'),
    debug: at('debug'),
    setLevel: (next) => {
      threshold = PRIORITY[next];
    },
  };
}

function asText(event: string, fields: Fields): string {
  const words = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${/^[\w.:/@+-]+$/.test(String(value)) ? value : JSON.stringify(value)}`);
  return oneLine([event, ...words].join(' '));
}

/** A line break inside an event would start a new event without a priority. */
function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' | ');
}
