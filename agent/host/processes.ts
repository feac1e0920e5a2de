import { writeSync } from 'node:fs';
import { isSea } from 'node:sea';

/** Our environment and arguments, read once by `main.ts` and passed on as values. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return { ...process.env };
}

/** What follows the program's name; a single executable keeps Node's two leading entries. */
export function argumentsGiven(): string[] {
  return process.argv.slice(2);
}

export function self() {
  return { pid: process.pid, uid: process.getuid?.() ?? 0, node: process.version, arch: process.arch };
}

/**
 * The words by which this program is started again: the single executable alone, or Node with its script.
 * Options of Node's are kept.
 */
export function selfArgv(): [string, ...string[]] {
  const script = isSea() ? [] : [...process.execArgv, ...process.argv.slice(1, 2)];
  return [process.execPath, ...script];
}

/** Permission bits that nothing we create may have, whatever the caller's umask was. */
export function tightenUmask(): void {
  process.umask(0o077);
}

/** Write to stdout or stderr at once. @returns false when the reader has gone away, which is no error of ours */
export function print(stream: 'stdout' | 'stderr', text: string): boolean {
  const fd = stream === 'stdout' ? 1 : 2;
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'EPIPE') return false;
      if (code !== 'EAGAIN') throw cause;
    }
  }
  return true;
}

export function setExitCode(code: number): void {
  process.exitCode = code;
}

/** End this process without waiting for anything of it. Engines are processes of their own and go on. */
export function endNow(code: number): never {
  process.exit(code);
}

/** Aborts on SIGTERM, SIGINT or SIGHUP. A second signal ends the process, should an orderly stop hang. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.once(name, () => controller.abort(name));
  }
  return controller.signal;
}

/** Is there a process with this number? */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM';
  }
}
