import * as path from 'node:path';
import { ask } from '../api/client.ts';
import type { MemberView } from '../api/view.ts';
import { AgentError } from '../errors.ts';
import { clock, fileStream, files } from '../host.ts';
import { findMember } from '../operations/find-node.ts';
import type { Done, RecoverWish, TokenView } from '../operations/operations.ts';
import { confirm, isYes } from './confirm.ts';
import { askAgent, type Context, type Options, orderAgent, printResult } from './context.ts';
import { printable } from './table.ts';
import { tokenTable } from './token.ts';

/**
 * The commands that have the running agent do something. What is dangerous asks first. A leave, a reset or a
 * recovery may take minutes: engines are stopped in order.
 */

export interface YesOptions extends Options {
  readonly yes?: boolean;
}

interface EvictOptions extends YesOptions {
  readonly revokeTokens?: boolean;
}

const LONG_MS = 300_000;

interface JoinOptions extends Options {
  readonly forget?: boolean;
}

export async function join(context: Context, options: JoinOptions, [address = '']: readonly string[]) {
  await send(context, options, options.forget ? '/v1/join/forget' : '/v1/join', { address });
}

export async function leave(context: Context, options: YesOptions) {
  await confirm(context, options.yes, {
    about:
      'This node will hand over its roles, give up its vote and leave the cluster.\nIt keeps its identity and its key, and stays away until: node-agent join ADDRESS',
    command: 'node-agent leave',
  });
  await send(context, options, '/v1/leave', {}, LONG_MS);
}

/** Which node is meant is found first, so that a yes is said to one node; its id is what is sent. */
export async function evict(context: Context, options: EvictOptions, [node = '']: readonly string[]) {
  const { members } = await askAgent<{ members: readonly MemberView[] }>(context, '/v1/members');
  const member = findMember(members, node);
  await confirm(context, options.yes, {
    about: `${described(member)} will be removed everywhere, and its identity refused until it is readmitted.`,
    command: `node-agent evict ${member.id}`,
  });
  const revokeTokens = options.revokeTokens ?? (!options.yes && (await offerToRevoke(context)));
  await send(context, options, '/v1/evict', { node: member.id, ...(revokeTokens ? { revokeTokens } : {}) });
}

/** What the node may have read lets in whoever has it. */
async function offerToRevoke(context: Context): Promise<boolean> {
  const { tokens } = await askAgent<{ tokens: readonly TokenView[] }>(context, '/v1/tokens');
  const live = tokens.filter(({ expired, usesLeft }) => !expired && usesLeft > 0);
  if (live.length === 0) return false;
  const list = tokenTable(live, clock.wallClock()).join('\n');
  context.print(
    'stderr',
    `Enrolment tokens that still let machines in, and that the node may have read:\n${list}\n`,
  );
  return isYes(context, `Revoke ${live.length === 1 ? 'it' : `these ${live.length}`} too? [y/N] `);
}

/** A name may be anybody's; the id and the addresses tell the machine. */
function described({ name, id, self, status, meshAddress, lanAddress }: MemberView): string {
  const addresses = [meshAddress, lanAddress].filter((address) => address !== undefined).join(', ');
  const here = self ? ', this very node' : '';
  return printable(`${name} (${id}, ${addresses || 'no address known'}, ${status}${here})`);
}

export async function readmit(context: Context, options: Options, [node = '']: readonly string[]) {
  await send(context, options, '/v1/readmit', { node });
}

export async function roleMove(
  context: Context,
  options: Options,
  [role = '', node = '']: readonly string[],
): Promise<void> {
  await send(context, options, '/v1/roles/move', { role, node }, LONG_MS);
}

export async function keyRotate(context: Context, options: YesOptions) {
  await confirm(context, options.yes, {
    about:
      'Every node that is alive gets a new cluster key; the cluster goes on meanwhile.\nSeeds with the old key no longer let anybody in: take the new key with node-agent key show.\nEvery enrolment token ends at once: make new ones with node-agent token create when the change is done.',
    command: 'node-agent key rotate',
  });
  await send(context, options, '/v1/rotate-key', {});
}

export async function reset(context: Context, options: YesOptions) {
  await confirm(context, options.yes, {
    about:
      'This node will leave its cluster and forget everything: identity, cluster key, settings of the seed, its copy of the cluster state.\nThe image stays. This cannot be undone.',
    command: 'node-agent reset',
  });
  await send(context, options, '/v1/reset', {}, LONG_MS);
}

interface RecoverOptions extends YesOptions {
  /** A file; true: the newest snapshot on this node. */
  readonly fromSnapshot?: string | true;
  readonly forceNewCluster?: boolean;
  readonly follow?: string;
  readonly trustDisk?: boolean;
}

export async function recover(context: Context, options: RecoverOptions) {
  const wish = recoverWish(options);
  const snapshot = wish.mode === 'from-snapshot' ? wish.snapshot : undefined;
  if (snapshot !== undefined) await mustBeFile(snapshot);
  await confirm(context, options.yes, {
    about: RECOVERIES[wish.mode],
    ...(wish.mode === 'follow' ? {} : { more: () => whoAnswers(context) }),
    command: `node-agent recover ${flagsOf(wish)}`,
  });
  if (snapshot === undefined) return await send(context, options, '/v1/recover', wish, LONG_MS);
  await whereTheAgentReads(snapshot, context.paths.state, async (place) => {
    const done = await orderAgent<Done>(context, '/v1/recover', { ...wish, snapshot: place }, LONG_MS);
    // The agent tells the name that it read.
    tell(context, options, {
      ...done,
      done: done.done.replace(path.basename(place), path.basename(snapshot)),
    });
  });
}

async function mustBeFile(file: string): Promise<void> {
  if ((await files.look(file))?.kind === 'file') return;
  throw new AgentError({
    code: 'recover.no-snapshot',
    exit: 'usage',
    message: `there is no snapshot ${file}`,
    fix: 'see which ones this node has: node-agent snapshot list',
  });
}

/**
 * The agent's unit sees no home and has a /tmp of its own: what lies elsewhere is copied to its folder meanwhile, under
 * a name that the agent removes when this command was killed.
 */
async function whereTheAgentReads(
  file: string,
  state: string,
  work: (place: string) => Promise<void>,
): Promise<void> {
  if (file.startsWith(`${state}/`)) return await work(file);
  const copy = files.temporaryBeside(path.join(state, 'recover-from.db'));
  try {
    await fileStream.copyDurable(file, copy);
    await work(copy);
  } finally {
    await files.remove(copy);
  }
}

async function whoAnswers({ paths }: Context): Promise<string> {
  const { lines } = await ask<{ lines: readonly string[] }>(paths.socket, '/v1/recover', LONG_MS);
  return lines.map(printable).join('\n');
}

const ASIDE = 'The data that is there now is set aside, not deleted.';
const ONCE = `Only for a cluster whose quorum is lost for good. Run it on one node, once.\n${ASIDE}`;
const RECOVERIES: Readonly<Record<RecoverWish['mode'], string>> = {
  'from-snapshot': `This node will rebuild the cluster from a snapshot: what was written after it is lost, every enrolment token ends, a new cluster key is begun, and all other members join again.\n${ONCE}`,
  'force-new-cluster': `This node will rebuild the cluster from its own data: what only other members had is lost, every enrolment token ends, and all other members join again.\n${ONCE}`,
  follow: `This node will leave its cluster for the one that was recovered on the named node, and take the cluster key that this node gives it.\n${ASIDE}`,
  'trust-disk':
    'etcd will start with the data on this disk, which may be a copy or older than what other nodes know of this one.\nOnly when no other machine has newer data, as after all nodes were restored from backups or a single node got another board: a voter that has forgotten what it agreed to can lose what the others wrote.',
};

function flagsOf(wish: RecoverWish): string {
  if (wish.mode === 'follow') return `--follow ${wish.node}`;
  if (wish.mode === 'trust-disk') return '--trust-disk';
  return wish.snapshot === undefined ? `--${wish.mode}` : `--${wish.mode} ${wish.snapshot}`;
}

function recoverWish({ fromSnapshot, forceNewCluster, follow, trustDisk }: RecoverOptions): RecoverWish {
  const ways = [fromSnapshot, forceNewCluster, follow, trustDisk].filter((way) => way !== undefined);
  if (ways.length !== 1) {
    throw new AgentError({
      code: 'usage',
      exit: 'usage',
      message: 'expected one of --from-snapshot [FILE], --force-new-cluster, --follow NODE and --trust-disk',
      fix: 'node-agent recover --help',
    });
  }
  if (follow !== undefined) return { mode: 'follow', node: follow };
  if (trustDisk) return { mode: 'trust-disk' };
  if (fromSnapshot === undefined) return { mode: 'force-new-cluster' };
  return typeof fromSnapshot === 'string'
    ? { mode: 'from-snapshot', snapshot: path.resolve(fromSnapshot) }
    : { mode: 'from-snapshot' };
}

/** Have the agent do it, and tell what was done. @throws AgentError what the agent refuses */
export async function send(
  context: Context,
  options: Options,
  path: string,
  body: unknown,
  timeoutMs?: number,
): Promise<void> {
  tell(context, options, await orderAgent<Done>(context, path, body, timeoutMs));
}

function tell(context: Context, options: Options, done: Done): void {
  printResult(context, options, done, (it) => (it.note === undefined ? it.done : `${it.done}\n${it.note}`));
}
