import * as path from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { loadDefinition } from '../definition/load.ts';
import { bringUp, listNodes, waitUntilWhole } from '../docker/cluster.ts';
import { COMPOSE_NEEDED, composeText } from '../docker/compose.ts';
import { findEngine } from '../docker/engine.ts';
import { findImage, OWN_TAG } from '../docker/image.ts';
import { addressOf, DEFAULT_SUBNET, MOST_NODES, type QuickCluster } from '../docker/spec.ts';
import { prepareSeed, seedFolderOf, stateFolderOf } from '../docker/state.ts';
import { clock, files, pasteable } from '../host.ts';
import { assertMayWrite, isMarked, marked, outputFile, writeOutput } from '../may-write.ts';
import { OUTPUT_FOLDER } from './clean.ts';
import { named } from './cluster-name.ts';
import type { Context } from './context.ts';
import { wholeNumber } from './seed.ts';

interface UpFlags {
  readonly name: string;
  readonly nodes: number;
  readonly image?: string;
  readonly key?: string;
  readonly subnet: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly limit: number;
  /** False for --no-wait. */
  readonly wait: boolean;
}

interface ComposeFlags {
  readonly output: string;
  readonly force?: boolean;
}

export function addClusterUp(family: Command, context: Context): void {
  withUpOptions(family.command('up'))
    .description('start the nodes, and wait until they are one cluster')
    .option('--limit <seconds>', 'how long to wait for it', wholeNumber, 300)
    .option('--no-wait', 'end as soon as the containers run')
    .addHelpText(
      'after',
      `
Running it again starts what is stopped and adds what is missing, such as --nodes 7 after --nodes 5.

Examples:
  npx clusteros-build cluster up
  npx clusteros-build cluster up --nodes 3 --key cluster.key
  npx clusteros-build cluster up --name other --subnet 10.91.0.0/16 --env CLUSTEROS_LOG_LEVEL=debug
`,
    )
    .action((flags: UpFlags) => up(context, flags));
  withUpOptions(family.command('compose'))
    .description('write the same cluster as a file for docker compose, and its seed')
    .option('--output <file>', 'where to', 'compose.yaml')
    .option('--force', 'replace a file that was edited, or that is not ours')
    .action((flags: UpFlags & ComposeFlags) => compose(context, flags));
}

function withUpOptions(command: Command): Command {
  return named(command)
    .option('--nodes <n>', 'how many nodes', nodeCount, 5)
    .option(
      '--image <image>',
      `a file of --target docker, or a tag (default: the newest in ${OUTPUT_FOLDER}/)`,
    )
    .option('--key <file>', 'a cluster key (default: one is made for this cluster alone)')
    .option('--subnet <range>', 'network between the containers', DEFAULT_SUBNET)
    .option('--env <name=value>', 'a variable for every node; may be given again', variable);
}

async function up(context: Context, flags: UpFlags): Promise<void> {
  checkFlags(flags);
  const start = clock.monotonicMs();
  const engine = await findEngine(process.env, context.signal);
  const image = await findImage(engine, {
    named: flags.image,
    output: path.resolve(OUTPUT_FOLDER),
    say: context.note,
  });
  const cluster = await prepared(context, flags, image);
  await bringUp(engine, cluster, context.note);
  await files.writeAtomic(
    path.join(stateFolderOf(cluster.name), 'compose.yaml'),
    composeText(cluster),
    0o600,
  );
  if (flags.wait) {
    let last = '';
    await waitUntilWhole(engine, cluster, {
      limitMs: flags.limit * 1000,
      signal: context.signal,
      onState: (state) => {
        if (state !== last) context.note(`waiting: ${state}`);
        last = state;
      },
    });
  }
  const nodes = await listNodes(engine, cluster.name);
  const seconds = Number(((clock.monotonicMs() - start) / 1000).toFixed(1));
  context.answer({ cluster: cluster.name, image, seconds, whole: flags.wait, nodes }, () =>
    [
      ...nodes.map(({ name, address, container }) => `${name.padEnd(8)} ${address.padEnd(12)} ${container}`),
      '',
      `${flags.wait ? 'One cluster' : 'Started'}, after ${seconds} s.`,
      'next     npx clusteros-build cluster status; npx clusteros-build cluster shell',
    ].join('\n'),
  );
}

async function compose(context: Context, flags: UpFlags & ComposeFlags): Promise<void> {
  checkFlags(flags);
  const intent = { what: 'the compose file', ours: isMarked, force: flags.force === true };
  const file = outputFile(flags.output, intent.what);
  await assertMayWrite(file, intent);
  const cluster = await prepared(context, flags, flags.image ?? OWN_TAG);
  await writeOutput(file, marked(composeText(cluster)), intent);
  context.answer({ file, seed: cluster.seed, image: cluster.image }, () =>
    [
      `wrote ${path.relative(process.cwd(), file)}; the cluster key is in ${cluster.seed}`,
      `next     docker load --input dist/...-docker.tar; ${pasteable(['docker', 'compose', '--file', path.relative(process.cwd(), file), 'up', '--detach'])}`,
      `needs    ${COMPOSE_NEEDED}`,
    ].join('\n'),
  );
}

/** Before anything is asked of the engine. @throws OperatorError `flag.invalid` */
function checkFlags(flags: UpFlags): void {
  addressOf(flags.subnet, 1);
}

/** The cluster of the flags, with its seed laid out. */
async function prepared(context: Context, flags: UpFlags, image: string): Promise<QuickCluster> {
  const definition = await loadDefinition(context.globals().definition);
  const folder = stateFolderOf(flags.name);
  const { fresh } = await prepareSeed(folder, {
    clusterName: definition.name,
    nodes: flags.nodes,
    keyFile: flags.key === undefined ? undefined : path.resolve(flags.key),
  });
  if (!fresh && flags.key !== undefined)
    context.note(`the cluster has its key already: ${flags.key} is not used (cluster clean removes it)`);
  return {
    name: flags.name,
    image,
    nodes: flags.nodes,
    subnet: flags.subnet,
    seed: seedFolderOf(folder),
    environment: flags.env ?? {},
  };
}

function nodeCount(text: string): number {
  const count = wholeNumber(text);
  if (count <= MOST_NODES) return count;
  throw new InvalidArgumentError(`expected at most ${MOST_NODES} nodes on one machine.`);
}

function variable(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const match = /^([A-Z][A-Z0-9_]*)=(.*)$/s.exec(text);
  if (match?.[1] === undefined) throw new InvalidArgumentError('expected NAME=value.');
  return { ...before, [match[1]]: match[2] ?? '' };
}
