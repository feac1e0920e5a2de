import type { Socket } from 'node:net';
import { OperatorError } from '../build/errors.ts';
import { clock } from '../build/host.ts';
import { GuestChannel } from './guest-channel.ts';

interface GuestRunOptions {
  /** Real time until the program must have ended; it is killed then. One minute unless told. */
  readonly timeoutMs?: number;
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

interface GuestResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** What one exchange may take when the guest is well; it may be busy, and under TCG. */
const ANSWER_LIMIT_MS = 60_000;
const RUN_LIMIT_MS = 60_000;
const FILE_CHUNK_BYTES = 1024 * 1024;
const FIRST_POLL_MS = 20;
const SLOWEST_POLL_MS = 500;

/**
 * Commands in the guest, as root, through the QEMU guest agent: it needs no network and no password
 * (qemu/docs/interop/qemu-ga-ref). Exchanges queue; programs run side by side.
 */
export class Guest {
  readonly #channel = new GuestChannel();

  /** Use this connection from now on: QEMU has been started (again). */
  attach(socket: Socket): void {
    this.#channel.attach(socket);
  }

  /** Does the agent answer within the time? Silence is an answer here, not an error. */
  async answers(limitMs: number): Promise<boolean> {
    try {
      await this.#channel.exchange(limitMs, (talk) => talk('guest-ping', {}));
      return true;
    } catch (error) {
      if (error instanceof OperatorError) return false;
      throw error;
    }
  }

  /**
   * Run a program to its end. There is no shell and no terminal; the environment is the agent's.
   *
   * @throws OperatorError `guest.refused` (no such program), `guest.timeout`, `guest.silent` (the agent stopped
   *   answering: it is not known whether the program ran), `guest.unreachable` (the machine ended)
   */
  async run(argv: readonly string[], options: GuestRunOptions = {}): Promise<GuestResult> {
    const [path, ...arg] = argv;
    if (path === undefined) throw new Error('run() needs a program');
    const limitMs = options.timeoutMs ?? RUN_LIMIT_MS;
    const started = clock.monotonicMs();
    const { pid } = (await this.#ask('guest-exec', {
      path,
      arg,
      'capture-output': true,
      ...(options.input === undefined ? {} : { 'input-data': Buffer.from(options.input).toString('base64') }),
      ...(options.env ? { env: Object.entries(options.env).map(([name, value]) => `${name}=${value}`) } : {}),
    })) as { pid: number };
    for (let pause = FIRST_POLL_MS; ; pause = Math.min(pause * 1.5, SLOWEST_POLL_MS)) {
      const status = (await this.#ask('guest-exec-status', { pid })) as ExecStatus;
      if (status.exited) return resultOf(argv, status);
      if (clock.monotonicMs() - started > limitMs) {
        await this.#ask('guest-exec', { path: 'kill', arg: ['-KILL', String(pid)] });
        throw failure(
          'guest.timeout',
          `${argv.join(' ')} did not end within ${limitMs} ms in the guest; it was killed`,
        );
      }
      await clock.pause(pause);
    }
  }

  /** Like {@link run}, but an exit code other than 0 is an error. @throws OperatorError `guest.failed` also */
  async must(argv: readonly string[], options: GuestRunOptions = {}): Promise<string> {
    const { stdout, stderr, exitCode } = await this.run(argv, options);
    if (exitCode === 0) return stdout;
    throw new OperatorError({
      code: 'guest.failed',
      exit: 'boot',
      message: `${argv[0]} failed in the guest with exit code ${exitCode}`,
      evidence: `# ${argv.join(' ')}\n${stdout}${stderr}`,
    });
  }

  async readFile(path: string): Promise<Buffer> {
    return this.#withFile(path, 'r', async (handle) => {
      const parts: Buffer[] = [];
      for (;;) {
        const part = (await this.#ask('guest-file-read', { handle, count: FILE_CHUNK_BYTES })) as FileRead;
        parts.push(Buffer.from(part['buf-b64'], 'base64'));
        if (part.eof) return Buffer.concat(parts);
      }
    });
  }

  async readText(path: string): Promise<string> {
    return (await this.readFile(path)).toString('utf8');
  }

  /** Write a file whole. Mode and owner are the agent's (root, umask) unless the file is there. */
  async writeFile(path: string, data: string | Uint8Array): Promise<void> {
    const bytes = Buffer.from(data);
    await this.#withFile(path, 'w', async (handle) => {
      for (let from = 0; from < bytes.length; ) {
        const chunk = bytes.subarray(from, from + FILE_CHUNK_BYTES);
        const answer = await this.#ask('guest-file-write', { handle, 'buf-b64': chunk.toString('base64') });
        from += (answer as { count: number }).count;
      }
      await this.#ask('guest-file-flush', { handle });
    });
  }

  async #withFile<T>(path: string, mode: string, work: (handle: number) => Promise<T>): Promise<T> {
    const handle = (await this.#ask('guest-file-open', { path, mode })) as number;
    try {
      return await work(handle);
    } finally {
      // An agent that is gone has closed its files; its silence must not hide the first error.
      await this.#ask('guest-file-close', { handle }).catch((error: unknown) => {
        if (!(error instanceof OperatorError)) throw error;
      });
    }
  }

  #ask(command: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.#channel.exchange(ANSWER_LIMIT_MS, (talk) => talk(command, args));
  }
}

interface FileRead {
  readonly eof: boolean;
  readonly 'buf-b64': string;
}

interface ExecStatus {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly 'out-data'?: string;
  readonly 'err-data'?: string;
  readonly 'out-truncated'?: boolean;
  readonly 'err-truncated'?: boolean;
}

/** An end by signal N is 128 + N, as a shell has it. */
function resultOf(argv: readonly string[], status: ExecStatus): GuestResult {
  if (status['out-truncated'] || status['err-truncated']) {
    throw failure('guest.truncated', `${argv.join(' ')} said more than the guest agent keeps (16 MiB)`);
  }
  const decode = (data: string | undefined) => Buffer.from(data ?? '', 'base64').toString('utf8');
  return {
    stdout: decode(status['out-data']),
    stderr: decode(status['err-data']),
    exitCode: status.exitcode ?? 128 + (status.signal ?? 0),
  };
}

function failure(code: string, message: string): OperatorError {
  return new OperatorError({ code, exit: 'boot', message });
}
