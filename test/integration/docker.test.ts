import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runArgv } from '../../build/docker/argv.ts';
import { nodesOf, type QuickCluster } from '../../build/docker/spec.ts';
import { prepareSeed, seedFolderOf } from '../../build/docker/state.ts';
import { clock, run, tryRun } from '../../build/host.ts';
import { type TestEngine, testEngine } from '../docker/engine.ts';
import { buildWithCli, cli, ROOT, type TestImage } from '../images.ts';

const NAME = 'costest';
const NODES = 5;
const SUBNET = '10.90.0.0/16';
/** Five nodes start on two processors that others use too. */
const UP_LIMIT_S = 420;
const LIMIT_MS = 240_000;

interface NodeView {
  readonly name: string;
  readonly state: string;
  readonly image: string;
  readonly agent: {
    readonly id: string;
    readonly state: string;
    readonly cluster: { readonly uuid: string };
    readonly consensus: {
      readonly quorum: boolean;
      readonly leader?: string;
      readonly voters: readonly string[];
    };
    readonly members: readonly { readonly name: string; readonly status: string }[];
  };
}

describe('the quick cluster under Docker', () => {
  let folder: string;
  let engine: TestEngine;
  let image: TestImage;
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'cos-docker-'));
    image = await buildWithCli({
      output: path.join(ROOT, '.cache', 'test-images'),
      args: ['--base', 'debian-13', '--target', 'docker'],
    });
    engine = await testEngine();
    await clusteros('clean');
  });
  after(async () => {
    if (engine !== undefined) {
      await tryRun(['docker', 'rm', '--force', '--volumes', 'rogue-node9'], { env: engine.env });
      await tryRun(['docker', 'volume', 'rm', 'rogue-node9'], { env: engine.env });
      await clusteros('clean');
      await engine.end();
    }
    rmSync(folder, { recursive: true, force: true });
  });

  test('the archive is what SHA256SUMS says, and the engine loads it under both of its names', async () => {
    await run(['sha256sum', '--check', '--strict', 'SHA256SUMS'], { cwd: image.folder });
    const { stdout } = await docker('load', '--input', image.image);
    assert.match(stdout, /^Loaded image: clusteros:\d+\.\d+\.\d+$/m);
    assert.match(stdout, /^Loaded image: clusteros:debian-13$/m);
    const version = /^Loaded image: (clusteros:\d\S+)$/m.exec(stdout)?.[1] ?? '';
    const inside = async (...words: string[]) =>
      (
        await docker(
          'run',
          '--rm',
          '--network',
          'none',
          '--entrypoint',
          words[0] ?? '',
          version,
          ...words.slice(1),
        )
      ).stdout;
    assert.match(await inside('stat', '-c', '%a', '/usr/bin/sudo'), /^4755$/m);
    assert.match(await inside('stat', '-c', '%h', '/usr/bin/perl'), /^2$/m);
    const left =
      'for place in /boot /usr/lib/modules /usr/lib/shim /vmlinuz; do [ ! -e $place ] || echo $place; done';
    assert.equal(await inside('sh', '-c', left), '');
  });

  test('five nodes become one cluster, by one command', async () => {
    const machine = mountsOfMachine();
    const document = await clusteros(
      ...['up', '--nodes', String(NODES), '--image', image.image, '--subnet', SUBNET],
      ...['--limit', String(UP_LIMIT_S)],
    );
    assert.deepEqual(
      document.nodes.map(({ name, address, state }: Record<string, string>) => [name, address, state]),
      Array.from({ length: NODES }, (_, index) => [`node${index + 1}`, `10.90.0.${index + 10}`, 'running']),
    );
    const nodes = await views();
    assert.equal(new Set(nodes.map(({ agent }) => agent.cluster.uuid)).size, 1);
    for (const { name, agent } of nodes) {
      assert.equal(agent.state, 'ready', name);
      assert.equal(agent.members.filter(({ status }) => status === 'alive').length, NODES, name);
    }
    assert.deepEqual(
      mountsOfMachine(),
      machine,
      "the mounts of this machine are not the cluster's to change",
    );
  });

  test('systemd runs without a failed unit, and the nodes reach each other over the mesh by name', async () => {
    assert.equal((await inNode('node2', 'systemctl', 'is-system-running')).trim(), 'running');
    assert.match(await inNode('node2', 'ping', '-c', '1', '-W', '5', 'node4.clusteros.internal'), /10\.42\./);
    assert.equal((await inNode('node2', 'cat', '/proc/1/comm')).trim(), 'systemd');
  });

  test('the cluster key is in no place that docker inspect shows', async () => {
    const key = readFileSync(
      path.join(seedFolderOf(stateFolder()), 'clusteros', 'cluster.key'),
      'utf8',
    ).trim();
    assert.equal(Buffer.from(key, 'base64').length, 32);
    const { stdout } = await docker('inspect', `${NAME}-node1`, `${NAME}-node2`);
    assert.ok(!stdout.includes(key));
  });

  test('info and logs speak of the node that was asked for', async () => {
    const info = await clusteros('info', 'node3');
    assert.match(JSON.stringify(info), /node3/);
    const { lines } = await clusteros('logs', 'node3', '--unit', 'node-agent');
    assert.ok(
      lines.some((line: string) => /identity name=node3/.test(line)),
      lines.join('\n'),
    );
  });

  test('a rogue with another key is refused with "failed authentication" in node1\'s log', async () => {
    const rogueState = path.join(folder, 'rogue');
    await prepareSeed(rogueState, { clusterName: 'clusteros', nodes: 9, keyFile: undefined });
    const rogue: QuickCluster = {
      name: 'rogue',
      image: (await views())[0]?.image ?? '',
      nodes: 9,
      subnet: SUBNET,
      seed: seedFolderOf(rogueState),
      environment: {},
    };
    const node = nodesOf(rogue).at(-1);
    assert.ok(node);
    const argv = runArgv(rogue, node);
    argv[argv.indexOf('--network') + 1] = `${NAME}-net`;
    await docker(...argv);
    await until("the refusal in node1's log", async () =>
      /failed authentication/.test(await inNode('node1', 'journalctl', '--no-pager', '--unit', 'node-agent')),
    );
    const [first] = await views();
    assert.ok(!first?.agent.members.some(({ name }) => name === node.name), 'the rogue is a member');
    await docker('rm', '--force', '--volumes', node.container);
    await docker('volume', 'rm', node.volume);
  });

  test('a node that was stopped and started again rejoins as who it was', async () => {
    const before = (await views()).find(({ name }) => name === 'node5')?.agent.id;
    await clusteros('stop', 'node5');
    assert.equal((await views()).find(({ name }) => name === 'node5')?.state, 'exited');
    await clusteros('start', 'node5');
    await until('node5 to be back', async () => {
      const node = (await views()).find(({ name }) => name === 'node5');
      const alive = node?.agent.members?.filter(({ status }) => status === 'alive').length;
      return node?.agent.state === 'ready' && alive === NODES && node.agent.id === before;
    });
  });

  test('when the leader is stopped another leads, and the cluster keeps its quorum', async () => {
    await until('three voters, all there', async () => (await views()).every(isWhole));
    const leader = (await views())[0]?.agent.consensus.leader;
    assert.ok(leader);
    await clusteros('stop', leader);
    await until('a new leader', async () => {
      const others = (await views()).filter(({ name }) => name !== leader);
      return others.every(
        ({ agent }) => agent.consensus?.quorum && agent.consensus.leader && agent.consensus.leader !== leader,
      );
    });
    await clusteros('start', leader);
    await until(`${leader} to be back`, async () =>
      (await views()).every(({ agent }) => agent.state === 'ready'),
    );
  });

  test('a node whose network was taken away comes back with it', async () => {
    await docker('network', 'disconnect', `${NAME}-net`, `${NAME}-node2`);
    await until('node2 to count as failed', async () =>
      Boolean(
        (await views())
          .find(({ name }) => name === 'node3')
          ?.agent.members?.some(({ name, status }) => name === 'node2' && status !== 'alive'),
      ),
    );
    await docker('network', 'connect', '--ip', '10.90.0.11', `${NAME}-net`, `${NAME}-node2`);
    await until('all nodes to be whole again', async () => (await views()).every(isWhole));
  });

  test('clean leaves nothing', async () => {
    await clusteros('clean');
    for (const kind of ['ps --all', 'volume ls', 'network ls']) {
      const filter = `label=org.clusteros.cluster=${NAME}`;
      const { stdout } = await docker(...kind.split(' '), '--quiet', '--filter', filter);
      assert.equal(stdout, '', kind);
    }
    const { error } = JSON.parse((await tryRun(command('status'), at())).stdout);
    assert.equal(error.code, 'docker.no-cluster');
  });

  function command(...words: string[]): string[] {
    return cli('--json', 'cluster', words[0] ?? '', '--name', NAME, ...words.slice(1));
  }

  function at() {
    return { cwd: folder, env: { ...engine.env, XDG_STATE_HOME: folder } };
  }

  // biome-ignore lint/suspicious/noExplicitAny: each command has a document of its own, looked at by its test.
  async function clusteros(...words: string[]): Promise<any> {
    return JSON.parse(
      (await run(command(...words), { ...at(), timeoutMs: (UP_LIMIT_S + 120) * 1000 })).stdout,
    );
  }

  async function views(): Promise<NodeView[]> {
    return (await clusteros('status')).nodes;
  }

  async function until(what: string, look: () => Promise<boolean>): Promise<void> {
    const deadline = clock.monotonicMs() + LIMIT_MS;
    while (!(await look())) {
      if (clock.monotonicMs() > deadline) {
        throw new Error(`waited ${LIMIT_MS / 1000} s for ${what}:\n${await told()}`);
      }
      await clock.pause(1000);
    }
  }

  /** How the nodes see it, and the last that their agents said. */
  async function told(): Promise<string> {
    const texts: string[] = [];
    for (const { name, state } of await views()) {
      texts.push(`── ${name}: ${state}`);
      if (state !== 'running') continue;
      const words = ['exec', `${NAME}-${name}`];
      const status = await tryRun(['docker', ...words, 'node-agent', 'status'], { env: engine.env });
      const said = ['journalctl', '--no-pager', '--output', 'cat', '--unit', 'node-agent', '--lines', '40'];
      const journal = await tryRun(['docker', ...words, ...said], { env: engine.env });
      texts.push(status.stdout, status.stderr, journal.stdout);
    }
    return texts.join('\n');
  }

  function docker(...words: string[]) {
    return run(['docker', ...words], { env: engine.env, timeoutMs: LIMIT_MS });
  }

  async function inNode(node: string, ...words: string[]): Promise<string> {
    return (await docker('exec', `${NAME}-${node}`, ...words)).stdout;
  }

  function stateFolder(): string {
    return path.join(folder, 'clusteros', 'docker', NAME);
  }
});

/** Sees all others, and three that vote: what can bear a loss. */
function isWhole({ agent }: NodeView): boolean {
  const alive = agent.members?.filter(({ status }) => status === 'alive').length;
  return agent.state === 'ready' && alive === NODES && agent.consensus?.voters?.length === 3;
}

/** What is mounted at control groups here, with its options. */
function mountsOfMachine(): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.filter((line) => line.includes(' /sys/fs/cgroup'));
}
