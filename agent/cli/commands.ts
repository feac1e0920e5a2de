import type { ExitName } from '../errors.ts';
import type { Context, Options } from './context.ts';

type Action = (context: Context, options: never, args: readonly string[]) => Promise<Ended>;

export interface CommandRow {
  /** Words: `status`, `token create`. */
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  /** As commander writes them: `<node>`, `[words...]`. */
  readonly args?: string;
  /** Besides `--json`: flags, meaning, and perhaps a default. */
  readonly options?: readonly (readonly [flags: string, meaning: string, usual?: string])[];
  /** Works, but is not listed: for units and for other programs. */
  readonly hidden?: boolean;
  /** Loaded when it is run: `version` must not pay for the daemon. */
  readonly load: () => Promise<Action>;
}

/** Another exit than `ok`, for a command that has printed what there is. */
// biome-ignore lint/suspicious/noConfusingVoidType: most commands return nothing
export type Ended = ExitName | void;

export type Run = (context: Context, options: Options, args: readonly string[]) => Promise<Ended>;

const YES = ['-y, --yes', 'do not ask'] as const;

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandRow[] = [
  {
    name: 'init',
    summary: 'give this machine its identity and take its seed; running it again changes nothing',
    examples: ['sudo node-agent init', 'sudo node-agent init --json'],
    load: async () => (await import('./init.ts')).init,
  },
  {
    name: 'start',
    summary: 'run the agent in the foreground, as node-agent.service does; --json logs JSON lines',
    examples: ['systemctl start node-agent', 'sudo node-agent start'],
    load: async () => (await import('./start.ts')).start,
  },
  {
    name: 'status',
    summary: 'how the node and its cluster are, what is waited for and what would end that',
    examples: ['node-agent status', 'node-agent status --json'],
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'info',
    summary: 'what the node is: id, keys, settings; works without a running agent too',
    examples: ['node-agent info', 'node-agent info --json'],
    load: async () => (await import('./info.ts')).info,
  },
  {
    name: 'members',
    summary: 'the nodes of the cluster, as this one sees them',
    examples: ['node-agent members', 'node-agent members --json'],
    load: async () => (await import('./members.ts')).members,
  },
  {
    name: 'events',
    summary: 'what happened, with times',
    examples: ['node-agent events --since 1h', 'node-agent events -f', 'node-agent events -f --json'],
    options: [
      ['-f, --follow', 'go on with what comes, until Ctrl-C'],
      ['--since <when>', 'begin there: 15m, 1h, 7d ago, a time in ISO 8601, or seq:N'],
    ],
    load: async () => (await import('./events.ts')).events,
  },
  {
    name: 'join',
    summary: 'ask a machine that is not on this LAN; goes on asking until it answers',
    args: '<address>',
    options: [['--forget', 'ask it no more']],
    examples: [
      'sudo node-agent join 192.0.2.7',
      'sudo node-agent join [2001:db8::7]:7947',
      'sudo node-agent join --forget 192.0.2.7',
    ],
    load: async () => (await import('./orders.ts')).join,
  },
  {
    name: 'leave',
    summary: 'hand over roles and vote, and leave the cluster',
    options: [YES],
    examples: ['sudo node-agent leave', 'sudo node-agent leave --yes'],
    load: async () => (await import('./orders.ts')).leave,
  },
  {
    name: 'token create',
    summary: 'make a token that lets machines in without handing out the cluster key',
    options: [
      ['--ttl <time>', 'how long it lasts', '24h'],
      ['--uses <number>', 'how many machines it lets in', '1'],
      ['--note <text>', 'what it is for'],
    ],
    examples: [
      'sudo node-agent token create',
      'sudo node-agent token create --ttl 7d --uses 20 --note rack-3',
    ],
    load: async () => (await import('./token.ts')).tokenCreate,
  },
  {
    name: 'token list',
    summary: 'the tokens there are, without their secrets',
    examples: ['sudo node-agent token list', 'sudo node-agent token list --json'],
    load: async () => (await import('./token.ts')).tokenList,
  },
  {
    name: 'token revoke',
    summary: 'revoke a token; nodes that joined with it stay',
    args: '<id>',
    examples: ['sudo node-agent token revoke 4mHw7Kzq'],
    load: async () => (await import('./token.ts')).tokenRevoke,
  },
  {
    name: 'evict',
    summary: 'remove a node everywhere, and refuse its identity from now on',
    args: '<node>',
    options: [['--revoke-tokens', 'end every enrolment token with it'], YES],
    examples: ['sudo node-agent evict node-3', 'sudo node-agent evict 7Yk2 --yes --revoke-tokens'],
    load: async () => (await import('./orders.ts')).evict,
  },
  {
    name: 'readmit',
    summary: 'let an evicted node come back',
    args: '<node>',
    examples: ['sudo node-agent readmit node-3'],
    load: async () => (await import('./orders.ts')).readmit,
  },
  {
    name: 'label',
    summary: "show a node's labels, or change them; KEY- removes one",
    args: '<node> [changes...]',
    options: [['--reset', "discard earlier changes: the labels of the node's settings apply again"]],
    examples: [
      'node-agent label node-3',
      'sudo node-agent label node-3 disk=ssd gpu-',
      'sudo node-agent label node-3 --reset',
    ],
    load: async () => (await import('./label.ts')).label,
  },
  {
    name: 'role move',
    summary: 'move a role to a node: what holds it now stops in order first',
    args: '<role> <node>',
    examples: ['sudo node-agent role move page node-3'],
    load: async () => (await import('./orders.ts')).roleMove,
  },
  {
    name: 'key rotate',
    summary: 'give the cluster a new key without stopping it, and end every enrolment token',
    options: [YES],
    examples: ['sudo node-agent key rotate', 'sudo node-agent key rotate --yes'],
    load: async () => (await import('./orders.ts')).keyRotate,
  },
  {
    name: 'key show',
    summary: 'print the cluster key, for the seed of another machine',
    options: [YES],
    examples: ['sudo node-agent key show', 'sudo node-agent key show --yes > cluster.key'],
    load: async () => (await import('./key.ts')).keyShow,
  },
  {
    name: 'reset',
    summary: 'leave, and forget everything but the image',
    options: [YES],
    examples: ['sudo node-agent reset --yes'],
    load: async () => (await import('./orders.ts')).reset,
  },
  {
    name: 'snapshot save',
    summary: "save the cluster's data, as it is now, to a new file",
    args: '<file>',
    examples: ['sudo node-agent snapshot save /root/lab.db'],
    load: async () => (await import('./snapshot.ts')).snapshotSave,
  },
  {
    name: 'snapshot list',
    summary: "list the snapshots of the cluster's data on this node",
    examples: ['sudo node-agent snapshot list', 'sudo node-agent snapshot list --json'],
    load: async () => (await import('./snapshot.ts')).snapshotList,
  },
  {
    name: 'recover',
    summary: 'rebuild the cluster from this node after a permanent loss of quorum, or follow one that was',
    options: [
      ['--from-snapshot [file]', 'from a snapshot; the newest of this node when no file is named'],
      ['--force-new-cluster', 'from the data of this node'],
      ['--follow <node>', 'leave this cluster for the one that was recovered on that node'],
      ['--trust-disk', 'start etcd with data that may be old: after all nodes were restored from backups'],
      YES,
    ],
    examples: ['sudo node-agent recover --force-new-cluster', 'sudo node-agent recover --from-snapshot'],
    load: async () => (await import('./orders.ts')).recover,
  },
  {
    name: 'page',
    summary: 'the program of the role page, which the agent starts by itself',
    hidden: true,
    options: [
      ['--address <ip>', 'the service address'],
      ['--port <number>', 'where it listens', '80'],
      ['--socket <file>', "the agent's socket"],
      ['--lease <file>', 'how long the role is held'],
    ],
    examples: ['systemctl status clusteros-role-page'],
    load: async () => (await import('./page.ts')).page,
  },
  {
    name: 'install',
    summary: 'the installer of a live medium: choose a disk, write the system to it, read it back',
    hidden: true,
    options: [
      ['--source <folder>', 'where install.json is', '/run/clusteros/medium/install'],
      ['--medium <devices>', 'what the live system runs from, separated by commas; never written to'],
      ['--consoles', 'ask on all consoles of the kernel, and start again when something failed'],
      ['--loop <devices>', 'these loop devices are the disks, and nothing restarts: for tests'],
    ],
    examples: ['node-agent install --medium /dev/sdb3'],
    load: async () => (await import('./install.ts')).installSystem,
  },
  {
    name: 'version',
    summary: 'the version of this program',
    examples: ['node-agent version', 'node-agent version --json'],
    load: async () => (await import('./version.ts')).version,
  },
];
