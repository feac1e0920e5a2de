// needs: images, cpu 0.5, memory 3 GiB
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { StatusDocument } from '../../agent/api/view.ts';
import { findEngine } from '../../build/docker/engine.ts';
import { seedFolderOf } from '../../build/docker/state.ts';
import { run, tryRun } from '../../build/host.ts';
import { createDockerCluster, type DockerCluster } from '../cluster/docker/cluster.ts';
import { newKey, settled } from '../cluster/forming.ts';
import { leaderOf } from '../cluster/leadership.ts';
import { assertConfined } from '../cluster/systemd/confined.ts';
import { liveThrough } from '../cluster/systemd/life.ts';
import { told } from '../cluster/transcript.ts';
import { eventually } from '../cluster/waits.ts';
import { type TestEngine, testEngine } from '../docker/engine.ts';
import { buildWithCli, cli, olderImage, TEST_IMAGES, type TestImage } from '../images.ts';

const NAME = 'costest';
const NODES = 5;
const SUBNET = '10.90.0.0/16';
/** Five nodes start on two processors that others use too. */
const UP_LIMIT_S = 420;
const LIMIT_MS = 240_000;
const IN_TIME = { deadlineMs: LIMIT_MS, everyMs: 1_000 };

interface NodeView {
  readonly name: string;
  readonly state: string;
  readonly image: string;
  readonly agent: {
    readonly state: string;
    readonly cluster: { readonly uuid: string };
    readonly members: readonly { readonly name: string; readonly status: string }[];
  };
}

describe('the quick cluster under Docker', () => {
  let folder: string;
  let engine: TestEngine;
  let image: TestImage;
  /** The nodes that `cluster up` has made. */
  let cluster: DockerCluster;
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'cos-docker-'));
    image = await buildWithCli({
      output: TEST_IMAGES,
      args: ['--base', 'debian-13', '--target', 'docker'],
    });
    engine = await testEngine();
    await clusteros('clean');
  });
  after(async () => {
    if (engine !== undefined) {
      await clusteros('clean');
      await cluster?.dispose();
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

  test('a node of debian-12 starts its systemd and its agent, and is ready', async () => {
    const { image: older } = await olderImage();
    await clusteros(
      'up',
      '--nodes',
      '1',
      '--image',
      older,
      '--subnet',
      SUBNET,
      '--limit',
      String(UP_LIMIT_S),
    );
    const [node] = await views();
    assert.equal(node?.agent.state, 'ready', JSON.stringify(node));
    const inside = (...argv: string[]) => docker('exec', `${NAME}-node1`, ...argv);
    assert.match((await inside('cat', '/etc/os-release')).stdout, /VERSION_ID="12"/);
    assert.equal((await inside('systemctl', 'is-system-running')).stdout.trim(), 'running');
    await clusteros('clean');
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
      assert.equal(agent.state, 'ready', `${name}: ${JSON.stringify(agent)}`);
      assert.equal(agent.members.filter(({ status }) => status === 'alive').length, NODES, name);
    }
    assert.deepEqual(
      mountsOfMachine(),
      machine,
      "the mounts of this machine are not the cluster's to change",
    );
    cluster = await createDockerCluster({
      engine: await findEngine({ ...process.env, ...engine.env }, new AbortController().signal),
      name: NAME,
      image: nodes[0]?.image ?? '',
      subnet: SUBNET,
    });
    assert.equal(cluster.machines.length, NODES);
  });

  test('systemd runs without a failed unit, and the nodes reach each other over the mesh by name', async () => {
    const node2 = cluster.machine('node2');
    assert.equal((await node2.must(['systemctl', 'is-system-running'])).trim(), 'running');
    const ping = ['ping', '-c', '1', '-W', '5', 'node4.clusteros.internal'];
    assert.match(await node2.must(ping), /10\.42\./);
    assert.equal((await node2.must(['cat', '/proc/1/comm'])).trim(), 'systemd');
  });

  test('from inside the unit of an engine neither systemd nor the agent nor a secret can be reached', async () => {
    await assertConfined(cluster.machine('node3'));
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

  test('a rogue with another key is refused with "failed authentication" in node1\'s log', async (t) => {
    await scenario(t, async () => {
      const rogue = await cluster.add({ name: 'rogue', seed: { key: newKey() } });
      const node1 = cluster.machine('node1');
      const journal = ['journalctl', '--no-pager', '--unit', 'node-agent'];
      await eventually(
        "the refusal in node1's log",
        async () => /failed authentication/.test(await node1.must(journal)),
        IN_TIME,
      );
      const { members = [] } = await node1.agentStatus();
      assert.ok(!members.some(({ name }) => name === rogue.name), 'the rogue is a member');
      await cluster.remove(rogue);
    });
  });

  test('a leader that is stopped is replaced, and rejoins as who it was when it is started again', async (t) => {
    await scenario(t, async () => {
      const { machines } = cluster;
      await settled(machines, IN_TIME);
      const leader = await leaderOf(machines);
      const { id } = await leader.agentStatus();
      await clusteros('stop', leader.name);
      assert.equal((await views()).find(({ name }) => name === leader.name)?.state, 'exited');
      const others = machines.filter((machine) => machine !== leader);
      await eventually(
        'all others have another leader',
        async () => {
          const seen = await Promise.all(others.map((machine) => machine.agentStatus()));
          return seen.every(
            ({ consensus }) => consensus?.quorum && consensus.leaderId && consensus.leaderId !== id,
          );
        },
        IN_TIME,
      );
      await clusteros('start', leader.name);
      await settled(machines, IN_TIME);
      assert.equal((await leader.agentStatus()).id, id);
    });
  });

  test('a node that nobody hears, and one with another address, find their way back', async (t) => {
    await scenario(t, async () => {
      const { machines } = cluster;
      const alone = cluster.machine('node5');
      await cluster.partition([machines.filter((machine) => machine !== alone)]);
      await alone.until('is cut off', ({ conditions }) => conditions.length > 0, LIMIT_MS);
      await cluster.heal();
      await settled(machines, IN_TIME);
      await alone.readdress('10.90.0.99/16');
      await alone.writeFile('/tmp/deep/note', 'here');
      assert.equal(await alone.readText('/tmp/deep/note'), 'here');
      const knows = ({ members = [] }: StatusDocument) =>
        members.some(({ name, lanAddress }) => name === alone.name && lanAddress === '10.90.0.99');
      await cluster.machine('node1').until('knows the new address', knows, LIMIT_MS);
      await settled(machines, IN_TIME);
      await assert.rejects(alone.shiftClock(1000), /Docker's back end cannot move a machine's clock/);
    });
  });

  test('they stay one cluster through a network taken away, a crash, an empty disk and a restart', async (t) => {
    const reboot = async ({ name }: { name: string }) => {
      await clusteros('stop', name);
      await clusteros('start', name);
    };
    await scenario(t, () => liveThrough(cluster, { deadlineMs: IN_TIME.deadlineMs, reboot }));
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

  function scenario(t: TestContext, work: () => Promise<void>): Promise<void> {
    return told(t, cluster, work);
  }

  function docker(...words: string[]) {
    return run(['docker', ...words], { env: engine.env, timeoutMs: LIMIT_MS });
  }

  function stateFolder(): string {
    return path.join(folder, 'clusteros', 'docker', NAME);
  }
});

/** What is mounted at control groups here, with its options. */
function mountsOfMachine(): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.filter((line) => line.includes(' /sys/fs/cgroup'));
}
