import * as path from 'node:path';

/** Where the agent reads and writes. Nothing else in the agent names a path of the system. */
export interface Paths {
  /** Lasting state, 0700: identity, cluster key, settings and report of the seed. */
  readonly state: string;
  /** Gone with a reboot: the socket. */
  readonly run: string;
  readonly socket: string;
  /** Where the state can only be read: for the programs of roles, which are less than root. */
  readonly statusSocket: string;
  /** The status as the agent last knew it, for when it does not answer. */
  readonly lastStatus: string;
  /** The administrator's settings. */
  readonly config: string;
  /** A cluster key put beside the settings by hand. */
  readonly configKey: string;
  /** Where the CIDATA volume is mounted, when there is one. */
  readonly seed: string;
  /** What agetty shows before the login prompt. */
  readonly issue: string;
  /** agetty watches this file and redraws when its times change; see agetty(8), `--reload`. */
  readonly agettyReload: string;
  /** Where the names of the mesh are made known: /etc/hosts. */
  readonly hosts: string;
  /** What happened, one JSON object a line. */
  readonly events: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that move a path; for tests and for a second agent on one machine. */
export const PATH_VARIABLES = [
  'CLUSTEROS_STATE_DIR',
  'CLUSTEROS_RUN_DIR',
  'CLUSTEROS_CONFIG',
  'CLUSTEROS_SEED_DIR',
  'CLUSTEROS_ISSUE_DIR',
  'CLUSTEROS_HOSTS_FILE',
] as const;

export function pathsFrom(environment: Environment): Paths {
  const from = (name: (typeof PATH_VARIABLES)[number], usual: string) =>
    path.resolve(environment[name] || usual);
  const run = from('CLUSTEROS_RUN_DIR', '/run/clusteros');
  const config = from('CLUSTEROS_CONFIG', '/etc/clusteros/node.yaml');
  const issueFolder = from('CLUSTEROS_ISSUE_DIR', '/run/issue.d');
  const state = from('CLUSTEROS_STATE_DIR', '/var/lib/clusteros');
  return {
    state,
    run,
    socket: path.join(run, 'agent.sock'),
    statusSocket: path.join(run, 'readonly', 'status.sock'),
    lastStatus: path.join(run, 'status.json'),
    config,
    configKey: path.join(path.dirname(config), 'cluster.key'),
    seed: from('CLUSTEROS_SEED_DIR', '/run/clusteros/seed'),
    issue: path.join(issueFolder, '50-clusteros.issue'),
    agettyReload: path.join(path.dirname(issueFolder), 'agetty.reload'),
    hosts: from('CLUSTEROS_HOSTS_FILE', '/etc/hosts'),
    events: path.join(state, 'events.jsonl'),
  };
}
