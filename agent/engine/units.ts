/**
 * The programs that the agent starts and stops: Serf, etcd, wireguard-go, and the units of roles. One interface,
 * two back ends: systemd on a machine, children where there is no systemd (a plain container, the tests).
 */
export interface Units {
  /**
   * Start a program that is not running; restart it when it runs with another `configDigest`. Returns once it
   * has been started, not once it serves.
   *
   * @throws AgentError `unit.missing-program` with the package to install, `unit.start`
   */
  start(spec: UnitSpec): Promise<void>;
  /** SIGTERM, then SIGKILL after the time; settles when it is gone. Stopping what does not run is fine. */
  stop(name: UnitName, timeoutMs: number): Promise<void>;
  observe(name: UnitName): Promise<UnitState>;
}

/** `clusteros-<name>.service` under systemd. */
export type UnitName = 'serf' | 'etcd' | 'wireguard' | `role-${string}`;

export interface UnitSpec {
  readonly name: UnitName;
  /** The same as ExecStart= of the unit in the image; the first word is an absolute path. */
  readonly argv: readonly [string, ...string[]];
  readonly environment?: Readonly<Record<string, string>>;
  /** Restart when this changes: a digest of the configuration files. */
  readonly configDigest: string;
  /** Nothing of it may outlive the agent: BindsTo= under systemd, PR_SET_PDEATHSIG elsewhere. */
  readonly boundToAgent?: boolean;
}

export interface UnitState {
  readonly state: 'running' | 'stopped' | 'failed';
  readonly pid?: number | undefined;
  /** Of the run that is on, as given to start. */
  readonly configDigest?: string | undefined;
  /** How the last run ended. */
  readonly exit?: { readonly code?: number | undefined; readonly signal?: string | undefined } | undefined;
  /** The end of its output, at most 20 lines. */
  readonly lastLines: readonly string[];
}
