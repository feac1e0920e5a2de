import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { OperatorError } from '../build/errors.ts';
import { clock, files } from '../build/host.ts';
import type { Accelerator, DiskSpec, FirmwareKind, MachineSpec, NicSpec } from './argv.ts';
import { ConsoleText } from './console.ts';
import { Guest } from './guest.ts';
import { macOf, makeOverlay, prepareFlash, seedDisk } from './prepare.ts';
import { type Meetings, type Running, startQemu } from './process.ts';
import type { Qmp } from './qmp.ts';
import { freePort, listenAt } from './socket.ts';
import { waitFor } from './wait.ts';

export interface MachineOptions {
  /** Unique among machines on one network: the MAC addresses follow from it. */
  readonly name: string;
  readonly accel: Accelerator;
  /** The image to start from, qcow2 or raw; it is only read. Undefined for a machine without a system disk. */
  readonly image?: string | undefined;
  /** Size of the system disk; the image's own unless given. */
  readonly diskBytes?: number | undefined;
  readonly firmware?: FirmwareKind;
  readonly memoryMiB?: number | undefined;
  readonly cpus?: number | undefined;
  /** A CIDATA volume, ISO or FAT. Read only. */
  readonly seed?: string | undefined;
  readonly moreDisks?: readonly DiskSpec[];
  /** See {@link MachineSpec.throwAway}; not unless told. */
  readonly throwAway?: boolean | undefined;
  readonly network?: readonly NetworkRequest[];
  readonly kernel?: MachineSpec['kernel'];
  readonly hotPlaces?: number | undefined;
  /** Where the disks live. A private folder that goes with the machine unless given. */
  readonly folder?: string | undefined;
}

type NetworkRequest =
  /** QEMU's own NAT; `guestPorts` get a free port each on 127.0.0.1. */
  | { readonly kind: 'user'; readonly isolated: boolean; readonly guestPorts: readonly number[] }
  | { readonly kind: 'switch'; readonly socket: string };

/** A panic is followed by the trace that explains it: this long we go on listening. */
const LAST_WORDS_MS = 1_000;
const POWER_BUTTON_EVERY_MS = 15_000;

/** Make the disks of a machine; {@link Machine.start} starts it. The caller must `dispose()`. */
export async function createMachine(options: MachineOptions): Promise<Machine> {
  // Sockets get a short path of their own: their addresses have 108 bytes.
  const scratch = await files.makeWorkFolder(tmpdir(), 'cosvm');
  try {
    const folder = options.folder ?? scratch;
    await files.makeFolder(folder, 0o700);
    const disks = [...(await systemDisk(options, folder)), ...(options.moreDisks ?? [])];
    const meet = (name: string) => listenAt(path.join(scratch, name));
    const meetings = { qmp: await meet('qmp'), console: await meet('console'), agent: await meet('agent') };
    const spec: MachineSpec = {
      name: options.name,
      accel: options.accel,
      memoryMiB: options.memoryMiB ?? 1024,
      // Emulated processors take turns: a second one only costs.
      cpus: options.cpus ?? (options.accel === 'kvm' ? 2 : 1),
      flash: await prepareFlash(options.firmware ?? 'bios', folder),
      kernel: options.kernel,
      disks: options.seed === undefined ? disks : [...disks, seedDisk(options.seed)],
      throwAway: options.throwAway,
      hotPlaces: options.hotPlaces,
      nics: await Promise.all((options.network ?? []).map((each, index) => nicOf(options.name, each, index))),
      sockets: { qmp: meetings.qmp.path, console: meetings.console.path, agent: meetings.agent.path },
      consoleLog: path.join(folder, 'console.log'),
    };
    return new Machine(spec, scratch, meetings);
  } catch (error) {
    await files.remove(scratch);
    throw error;
  }
}

/** One virtual machine over all of its starts. */
export class Machine {
  readonly spec: MachineSpec;
  readonly console = new ConsoleText();
  readonly guest = new Guest();
  readonly #scratch: string;
  readonly #meetings: Meetings;
  readonly #consoleListeners = new Set<(chunk: Buffer) => void>();
  #running: Running | undefined;
  #findingsBefore = 0;
  #fatalSeenAt: number | undefined;

  /** Use {@link createMachine}. */
  constructor(spec: MachineSpec, scratch: string, meetings: Meetings) {
    this.spec = spec;
    this.#scratch = scratch;
    this.#meetings = meetings;
  }

  get name(): string {
    return this.spec.name;
  }

  get running(): boolean {
    return this.#running !== undefined && this.#running.ended === undefined;
  }

  /** The process id of QEMU, while it runs. */
  get pid(): number | undefined {
    return this.running ? this.#running?.child.pid : undefined;
  }

  /** @throws OperatorError `machine.stopped` */
  get qmp(): Qmp {
    return this.#mustRun().qmp;
  }

  /**
   * Power on, with the disks as they are.
   *
   * @throws OperatorError `qemu.ended` with QEMU's own words when it does not stay, `program.missing`
   */
  async start(): Promise<void> {
    if (this.running) throw new Error(`${this.name} is running already`);
    this.#findingsBefore = this.console.findings.length;
    this.#fatalSeenAt = undefined;
    const decoder = new StringDecoder('utf8');
    this.#running = await startQemu(this.spec, this.#meetings, (chunk) => this.#hear(chunk, decoder));
    this.guest.attach(this.#running.agent);
  }

  /** Press the power button and wait for the end. @throws OperatorError `wait.timeout`: it still runs then */
  async powerdown(limitMs = 120_000, signal?: AbortSignal): Promise<void> {
    const running = this.#mustRun();
    let pressed = Number.NEGATIVE_INFINITY;
    await waitFor(
      `${this.name} to power down`,
      async () => {
        if (running.ended) return { done: true, value: undefined };
        // A press before the guest listens is lost.
        if (clock.monotonicMs() - pressed > POWER_BUTTON_EVERY_MS) {
          pressed = clock.monotonicMs();
          await running.qmp.execute('system_powerdown').catch((error: unknown) => ignoreEnd(error));
        }
        return { done: false, saw: `its console said: ${this.console.lastLines(1)}` };
      },
      { deadlineMs: limitMs, signal, evidence: () => this.console.lastLines(20) },
    );
  }

  /** A power cut: what the guest has not written to its disk is lost; see `disk` in argv.ts for what it has not flushed. */
  async crash(): Promise<void> {
    if (!this.#running) return;
    this.#running.child.kill('SIGKILL');
    await this.#running.end;
  }

  /** Settles when this run of QEMU has ended, however. At once when none runs. */
  async ended(): Promise<void> {
    await this.#running?.end;
  }

  /** The reset button. */
  async reset(): Promise<void> {
    await this.qmp.execute('system_reset');
  }

  /** The screen as a PNG file. */
  async screendump(file: string): Promise<void> {
    await this.qmp.execute('screendump', { filename: path.resolve(file), format: 'png' });
  }

  /** Type on the serial console. */
  type(text: string | Uint8Array): void {
    this.#mustRun().console.write(text);
  }

  /** Hear the raw bytes of the console from now on. Returns how to stop. */
  onConsole(listener: (chunk: Buffer) => void): () => void {
    this.#consoleListeners.add(listener);
    return () => this.#consoleListeners.delete(listener);
  }

  /** The port on 127.0.0.1 that leads to this port of the guest. */
  forwarded(guestPort: number): number {
    for (const nic of this.spec.nics) {
      const found = nic.kind === 'user' && nic.forwards.find((each) => each.guestPort === guestPort);
      if (found) return found.hostPort;
    }
    throw new Error(`${this.name} has no forward to port ${guestPort}`);
  }

  /** Why waiting for this machine is in vain: QEMU ended, or this start's console shows a fatal line. */
  trouble(): string | undefined {
    const finding = this.console.fatal(this.#findingsBefore);
    this.#fatalSeenAt = finding && (this.#fatalSeenAt ?? clock.monotonicMs());
    if (finding && clock.monotonicMs() - (this.#fatalSeenAt ?? 0) > LAST_WORDS_MS)
      return `${finding.kind} on the console of ${this.name}: ${finding.line}`;
    if (!this.#running) return `${this.name} was not started`;
    const { ended } = this.#running;
    return ended && `QEMU of ${this.name} ended ${ended.how}${ended.stderr ? `: ${ended.stderr}` : ''}`;
  }

  /** Wait until the console has said it, after `from` (a position; the whole stream unless given). */
  async waitForConsole(
    pattern: RegExp,
    options: { deadlineMs: number; from?: number; signal?: AbortSignal },
  ) {
    return waitFor(
      `${pattern} on the console of ${this.name}`,
      () => {
        const match = pattern.exec(this.console.since(options.from ?? 0));
        return match ? { done: true, value: match } : { done: false, saw: this.console.lastLines(1) };
      },
      {
        deadlineMs: options.deadlineMs,
        signal: options.signal,
        // What was said last is still searched when the machine has ended.
        failFast: () => (pattern.test(this.console.since(options.from ?? 0)) ? undefined : this.trouble()),
        evidence: () => this.console.lastLines(30),
      },
    );
  }

  /** End it if it runs, and remove its private folder. Safe to call twice. */
  async dispose(): Promise<void> {
    await this.crash();
    const { qmp, console, agent } = this.#meetings;
    await Promise.all([qmp.close(), console.close(), agent.close()]);
    await files.remove(this.#scratch);
  }

  #hear(chunk: Buffer, decoder: StringDecoder): void {
    this.console.feed(decoder.write(chunk));
    for (const listener of this.#consoleListeners) listener(chunk);
  }

  #mustRun(): Running {
    if (this.#running && !this.#running.ended) return this.#running;
    throw new OperatorError({
      code: 'machine.stopped',
      exit: 'boot',
      message: `${this.name} is not running`,
    });
  }
}

async function systemDisk(options: MachineOptions, folder: string): Promise<DiskSpec[]> {
  if (options.image === undefined) return [];
  const file = path.join(folder, 'disk.qcow2');
  // QEMU gives a kernel of its own the first place.
  const bootIndex = options.kernel ? undefined : 0;
  if (!(await files.exists(file))) await makeOverlay(options.image, file, options.diskBytes);
  return [{ file, format: 'qcow2', bus: 'virtio', readonly: false, serial: 'clusteros-root', bootIndex }];
}

async function nicOf(machine: string, request: NetworkRequest, index: number): Promise<NicSpec> {
  const mac = macOf(machine, index);
  if (request.kind === 'switch') return { ...request, mac };
  const forwards = [];
  for (const guestPort of request.guestPorts) forwards.push({ guestPort, hostPort: await freePort() });
  return { kind: 'user', mac, isolated: request.isolated, forwards };
}

function ignoreEnd(error: unknown): void {
  if (!(error instanceof OperatorError && error.code === 'qmp.closed')) throw error;
}
