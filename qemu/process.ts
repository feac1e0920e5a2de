import type { Socket } from 'node:net';
import { OperatorError } from '../build/errors.ts';
import { start } from '../build/host.ts';
import { type MachineSpec, qemuArgv } from './argv.ts';
import { Qmp } from './qmp.ts';
import type { Rendezvous } from './socket.ts';

/** One run of QEMU, from power on to its end. */
export interface Running {
  readonly child: ReturnType<typeof start>;
  readonly qmp: Qmp;
  readonly console: Socket;
  readonly agent: Socket;
  /** Set when QEMU has ended. */
  ended: Ended | undefined;
  readonly end: Promise<Ended>;
}

export interface Ended {
  readonly how: string;
  readonly stderr: string;
}

/** Where QEMU meets us; they outlive its runs. */
export interface Meetings {
  readonly qmp: Rendezvous;
  readonly console: Rendezvous;
  readonly agent: Rendezvous;
}

const START_LIMIT_MS = 120_000;

/**
 * Start QEMU and meet it.
 *
 * @param onConsole hears the serial console from its first byte
 * @throws OperatorError `qemu.ended` with QEMU's own words, `qemu.silent`, `program.missing`; nothing runs then
 */
export async function startQemu(
  spec: MachineSpec,
  { qmp, console, agent }: Meetings,
  onConsole: (chunk: Buffer) => void,
): Promise<Running> {
  const child = start(qemuArgv(spec));
  const end = child.then((result) => ({
    how: result.signal ? `by ${result.signal}` : `with exit code ${result.exitCode ?? result.code}`,
    stderr: String(result.stderr ?? result.message ?? '').trim(),
  }));
  try {
    const met = Promise.all([qmp.next(), console.next(), agent.next()]);
    const [qmpSocket, consoleSocket, agentSocket] = await orEnded(met, end, spec.name);
    consoleSocket.on('data', (chunk) => onConsole(Buffer.from(chunk)));
    const running: Running = {
      child,
      qmp: await orEnded(Qmp.open(qmpSocket), end, spec.name),
      console: consoleSocket,
      agent: agentSocket,
      ended: undefined,
      end,
    };
    void end.then((ended) => {
      running.ended = ended;
    });
    return running;
  } catch (error) {
    child.kill('SIGKILL');
    await end;
    for (const meeting of [qmp, console, agent]) meeting.forget();
    throw error;
  }
}

/** The work, unless QEMU ends first or the time for a start is up. */
async function orEnded<T>(work: Promise<T>, end: Promise<Ended>, name: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const ended = end.then(({ how, stderr }): never => {
    throw new OperatorError({
      code: 'qemu.ended',
      exit: 'boot',
      message: `QEMU of ${name} ended ${how} as it started`,
      evidence: stderr || 'it said nothing',
    });
  });
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(silent(name)), START_LIMIT_MS);
  });
  // A socket that closes is only how the end of QEMU looks from there: its own words follow.
  const untilEnd = work.catch((error: unknown) => {
    if (error instanceof OperatorError && error.code === 'qmp.closed') return ended;
    throw error;
  });
  try {
    return await Promise.race([untilEnd, ended, late]);
  } finally {
    clearTimeout(timer);
    ended.catch(() => undefined);
  }
}

function silent(name: string): OperatorError {
  const message = `QEMU of ${name} did not start within ${START_LIMIT_MS} ms`;
  return new OperatorError({ code: 'qemu.silent', exit: 'boot', message });
}
