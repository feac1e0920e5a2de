/**
 * Several machines under test, whatever they are made of: network namespaces, QEMU, containers, real ones by
 * SSH. A scenario is written against these types; a back end says in {@link Cluster.can} what it is able to do,
 * and throws from the methods that it cannot honour.
 */
import type { StatusDocument } from '../../agent/api/view.ts';

export const CAPABILITIES = [
  /** cutLink, restoreLink, partition, heal */
  'partition',
  'loss',
  'rate',
  'readdress',
  /** shiftClock moves the agent's wall clock, and that of nothing else. */
  'agent-clock',
  /** shiftClock moves the wall clock of the whole machine. */
  'machine-clock',
  'fill-disk',
  /** powerCut, powerOn */
  'power',
  'copy-state',
] as const;
export type Capability = (typeof CAPABILITIES)[number];

export interface Cluster {
  /** For messages: `namespaces`. */
  readonly backend: string;
  readonly can: ReadonlySet<Capability>;
  /** In the order in which they were added; those that are off too. */
  readonly machines: readonly Machine[];
  /** @throws Error when there is none of that name */
  machine(name: string): Machine;
  /** One machine more, powered on, its agent not started. */
  add(options?: MachineOptions): Promise<Machine>;
  /** End everything and remove every trace. Safe to call twice. */
  dispose(): Promise<void>;

  /** Pull the cable: the machine sees that the carrier is gone. */
  cutLink(machine: Machine): Promise<void>;
  restoreLink(machine: Machine): Promise<void>;
  /**
   * Only machines of one group hear each other, at once and for every protocol; the links stay up. A machine
   * that is in no group is alone. Replaces the partition before it.
   */
  partition(groups: readonly (readonly Machine[])[]): Promise<void>;
  /** Undo partition, loss and rate. Cables stay as they are. */
  heal(): Promise<void>;
  /** Each frame on its way is lost with this chance, 0 to 100; an answer is lost by the same chance again. */
  loss(percent: number): Promise<void>;
  /** Limit what each link carries, in each direction; 0 lifts it. Kilobits a second. */
  rate(kbit: number): Promise<void>;
  /** Make `to` a clone of `from`: the same state folder. Both should be stopped. */
  copyState(from: Machine, to: Machine): Promise<void>;
}

export interface MachineOptions {
  /** Also its host name; `n1`, `n2`, ... unless given. */
  readonly name?: string;
  /** The first link's address, such as `10.99.0.7/16`; the next free one unless given. */
  readonly address?: string;
  readonly seed?: Seed;
  /** For the agent and the programs that are run: `CLUSTEROS_...`. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** What the CIDATA volume carries; an absent item is not on it. */
export interface Seed {
  /** The cluster key as text. */
  readonly key?: string;
  /** `node.yaml` */
  readonly nodeYaml?: string;
  /** An enrolment token. */
  readonly token?: string;
}

export interface ExecOptions {
  /** After which the program is killed and the call fails; 30 s unless given. */
  readonly timeoutMs?: number;
  readonly input?: string | Uint8Array;
}

export interface ExecResult {
  /** 128 + the signal's number for a program that a signal ended. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MachineProcess {
  /** Process id as the test sees it. */
  readonly pid: number;
  /** Its short name: `serf`, `etcd`, `wireguard-go`; `node-agent` for the agent. */
  readonly name: string;
  readonly argv: readonly string[];
}

type Signal = 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT' | 'SIGINT' | 'SIGHUP';

export interface Machine {
  readonly name: string;
  /** IPv4 address of the first link, without its prefix length. */
  readonly address: string;
  /** Where the agent keeps things, as paths inside the machine. */
  readonly paths: {
    readonly state: string;
    readonly run: string;
    readonly config: string;
    readonly hosts: string;
  };
  readonly on: boolean;

  /** Run a program to its end. @throws Error when the machine is off, or the time is over */
  exec(argv: readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Its stdout. @throws Error with the command and its output when the exit code is not 0 */
  must(argv: readonly string[], options?: ExecOptions): Promise<string>;
  /** Works on a machine that is off, for files on its disk, where the back end allows. */
  readText(path: string): Promise<string>;
  /** Folders are made as needed. */
  writeFile(path: string, data: string | Uint8Array, mode?: number): Promise<void>;

  /** Returns once the process runs, not once it answers. */
  startAgent(): Promise<void>;
  /** SIGTERM, and wait for its end. Engines may go on. @throws Error when it does not end within 15 s */
  stopAgent(): Promise<void>;
  /** SIGKILL to the agent alone. */
  killAgent(): Promise<void>;
  /** The agent's exit code or signal, once it has ended by itself or by the test; undefined while it runs. */
  agentExit(): string | undefined;
  /** Signal every process of this name. @returns how many there were */
  kill(programName: string, signal: Signal): Promise<number>;
  /** What runs, but for the machinery of the back end. */
  processes(): Promise<MachineProcess[]>;
  /** Everything stops at one instant; the disk keeps what it has. */
  powerCut(): Promise<void>;
  /** As after the power button; the agent is started if it ran when the power was cut. */
  powerOn(): Promise<void>;
  /** Remove the agent's state, or these paths instead. */
  wipe(paths?: readonly string[]): Promise<void>;
  /** Replace what the seed volume holds. */
  setSeed(seed: Seed): Promise<void>;
  /** A new address for the first link. */
  readdress(address: string): Promise<void>;
  /** Move the wall clock to this distance from the true time. The monotonic clock stays. */
  shiftClock(ms: number): Promise<void>;
  /** Leave no free byte where the state is. */
  fillDisk(): Promise<void>;
  /** Undo fillDisk. */
  freeDisk(): Promise<void>;

  /** @throws Error when the agent does not answer */
  agentStatus(): Promise<StatusDocument>;
  /** Wait until the status is as wanted. @throws Error with what the status was last */
  until(
    sentence: string,
    wanted: (status: StatusDocument) => boolean,
    deadlineMs: number,
  ): Promise<StatusDocument>;
  /** What the transcript of a failure shows of this machine. */
  record(): Promise<MachineRecord>;
}

export interface MachineRecord {
  readonly name: string;
  /** What the agent said. */
  readonly lines: readonly LoggedLine[];
  /** `ready`, `waiting: ...`; or why there is none. */
  readonly headline: string;
  readonly conditions: readonly string[];
  /** The end of the engines' logs, by unit. */
  readonly engines: Readonly<Record<string, string>>;
  readonly processes: readonly string[];
}

export interface LoggedLine {
  /** ms since the epoch, the test's clock. */
  readonly atMs: number;
  readonly text: string;
}
