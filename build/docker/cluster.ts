/** The quick cluster as the engine has it: found by labels, brought up, taken away. */
import { OperatorError } from '../errors.ts';
import { clock } from '../host.ts';
import { type AgentStatus, agentStatus, lacking } from './agents.ts';
import { networkArgv, runArgv, volumeArgv } from './argv.ts';
import type { Engine } from './engine.ts';
import { containerName, LABELS, networkOf, nodesOf, type QuickCluster } from './spec.ts';

export interface RunningNode {
  readonly name: string;
  readonly container: string;
  readonly address: string;
  /** Docker's word: `running`, `exited`, `created`, `paused`. */
  readonly state: string;
  readonly image: string;
}

/** The containers of a cluster, by number. */
export async function listNodes(engine: Engine, cluster: string): Promise<RunningNode[]> {
  const columns = [
    `{{.Label "${LABELS.node}"}}`,
    '{{.Names}}',
    `{{.Label "${LABELS.address}"}}`,
    '{{.State}}',
    '{{.Image}}',
  ];
  const filter = `label=${LABELS.cluster}=${cluster}`;
  const { stdout } = await engine.run(['ps', '--all', '--filter', filter, '--format', columns.join('\t')]);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [name = '', container = '', address = '', state = '', image = ''] = line.split('\t');
      return { name, container, address, state, image };
    })
    .sort((one, other) => numberOf(one.name) - numberOf(other.name));
}

function numberOf(name: string): number {
  return Number(/\d+$/.exec(name)?.[0] ?? 0);
}

/**
 * The node that was named, or the first that runs.
 *
 * @throws OperatorError `docker.no-cluster`, `docker.no-node`
 */
export function chooseNode(nodes: readonly RunningNode[], cluster: string, named?: string): RunningNode {
  const node =
    named === undefined
      ? (nodes.find(({ state }) => state === 'running') ?? nodes[0])
      : nodes.find(({ name, container }) => name === named || container === named);
  if (node !== undefined) return node;
  if (nodes.length === 0) throw noCluster(cluster);
  throw new OperatorError({
    code: 'docker.no-node',
    message: `the quick cluster ${cluster} has no node ${named}`,
    fix: `choose one of: ${nodes.map(({ name }) => name).join(', ')}`,
  });
}

export function noCluster(cluster: string): OperatorError {
  return new OperatorError({
    code: 'docker.no-cluster',
    exit: 'missing',
    message: `there is no quick cluster ${cluster} under this Docker engine`,
    fix: 'start one: npx clusteros-build cluster up',
  });
}

/**
 * Make what is missing and start what is stopped. What this call made goes again when it fails.
 *
 * @param say one line for each thing done
 * @throws OperatorError `docker.*`
 */
export async function bringUp(
  engine: Engine,
  cluster: QuickCluster,
  say: (line: string) => void,
): Promise<void> {
  const present = new Map((await listNodes(engine, cluster.name)).map((node) => [node.name, node]));
  const undo: string[][] = [];
  try {
    const network = await engine.try(['network', 'inspect', networkOf(cluster)]);
    if (network.exitCode !== 0) {
      await engine.run(networkArgv(cluster));
      undo.unshift(['network', 'rm', networkOf(cluster)]);
      say(`network ${networkOf(cluster)}: ${cluster.subnet}`);
    }
    for (const node of nodesOf(cluster)) {
      const known = present.get(node.name);
      if (known?.state === 'running') continue;
      if (known !== undefined) {
        await engine.run(['start', known.container]);
        say(`${node.name}: started again`);
        continue;
      }
      // A container that was created but could not be started is there all the same.
      const before = await engine.try(['container', 'inspect', node.container]);
      if (before.exitCode !== 0) undo.unshift(['rm', '--force', '--volumes', node.container]);
      await engine.run(volumeArgv(cluster, node));
      await engine.run(runArgv(cluster, node));
      say(`${node.name}: started, ${node.address}`);
    }
  } catch (error) {
    for (const args of undo) await engine.try(args, NOT_STOPPED);
    throw error;
  }
}

/** What is taken away after a Ctrl-C must not be stopped by it. */
const NOT_STOPPED = { signal: undefined } as const;

export interface WaitOptions {
  readonly limitMs: number;
  readonly signal: AbortSignal;
  readonly onState: (state: string) => void;
}

/**
 * Until all nodes are one cluster with a quorum.
 *
 * @throws OperatorError `docker.node-ended` at once when a container ends, `docker.not-ready` with what was last seen
 */
export async function waitUntilWhole(
  engine: Engine,
  cluster: QuickCluster,
  { limitMs, signal, onState }: WaitOptions,
): Promise<void> {
  const deadline = clock.monotonicMs() + limitMs;
  for (;;) {
    const nodes = await listNodes(engine, cluster.name);
    const ended = nodes.find(({ state }) => state === 'exited' || state === 'dead');
    if (ended !== undefined) throw await nodeEnded(engine, ended);
    const state = lacking(await askAll(engine, nodes));
    if (state === undefined) return;
    onState(state);
    if (clock.monotonicMs() > deadline) {
      throw new OperatorError({
        code: 'docker.not-ready',
        exit: 'boot',
        message: `the nodes did not become one cluster within ${Math.round(limitMs / 1000)} s`,
        evidence: state,
        fix: 'they go on trying; look at them: npx clusteros-build cluster status; npx clusteros-build cluster logs',
      });
    }
    await clock.pause(1000, signal);
  }
}

/** The status of every node, one after the other where there are many: each answer costs the node a process. */
export async function askAll(
  engine: Engine,
  nodes: readonly RunningNode[],
): Promise<Map<string, AgentStatus | string>> {
  const answers = new Map<string, AgentStatus | string>();
  for (const { name, container, state } of nodes) {
    answers.set(
      name,
      state === 'running' ? await agentStatus(engine, container) : `the container is ${state}`,
    );
  }
  return answers;
}

async function nodeEnded(engine: Engine, { name, container }: RunningNode): Promise<OperatorError> {
  const { stdout, stderr } = await engine.try(['logs', '--tail', '20', container]);
  return new OperatorError({
    code: 'docker.node-ended',
    exit: 'boot',
    message: `${name} has ended`,
    evidence: `${stdout}${stderr}`.trim() || 'its console is empty',
    fix: 'see the reason above; docker inspect says more',
  });
}

/** Take everything of a cluster away: containers, volumes, network. @returns what was removed */
export async function removeCluster(engine: Engine, cluster: string): Promise<string[]> {
  const filter = `label=${LABELS.cluster}=${cluster}`;
  const list = ['ps', '--all', '--filter', filter, '--format', '{{.Names}}'];
  const containers = (await engine.run(list)).stdout.split('\n').filter(Boolean);
  const removed: string[] = [];
  for (const container of containers.sort((one, other) => numberOf(one) - numberOf(other))) {
    await engine.run(['rm', '--force', '--volumes', container]);
    removed.push(container.slice(containerName(cluster, '').length));
  }
  for (const kind of ['volume', 'network']) {
    const { stdout } = await engine.run([kind, 'ls', '--quiet', '--filter', filter]);
    const ids = stdout.split('\n').filter(Boolean);
    if (ids.length > 0) await engine.run([kind, 'rm', ...ids]);
    removed.push(...ids.map((id) => `${kind} ${id}`));
  }
  return removed;
}
