// needs: cpu 0.4
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ask } from './api/client.ts';
import { readLastKnown } from './api/last-known.ts';
import { viewOf } from './api/view.ts';
import type { ClusterPart } from './cluster/cluster.ts';
import { runDaemon } from './daemon.ts';
import { createLog } from './log.ts';
import type { State, Status } from './status.ts';
import { makeSandbox, type Sandbox } from './testing/sandbox.ts';
import { scene } from './testing/scene.ts';

const KEY = Buffer.alloc(32, 0x5a).toString('base64');
const DEADLINE_MS = 20_000;

interface Running {
  readonly told: string[];
  readonly lines: string[];
  readonly stop: () => Promise<void>;
  readonly until: (state: State, holds?: (status: Status) => boolean) => Promise<Status>;
}

/** Run the agent in this process, with a service manager that writes down what it is told. */
function begin(
  t: TestContext,
  { paths, environment }: Sandbox,
  more: Record<string, string> = {},
  failures: string[] = [],
  cluster?: ClusterPart,
): Running {
  const [told, lines]: [string[], string[]] = [[], []];
  const controller = new AbortController();
  const ended = runDaemon({
    paths,
    environment: { ...environment, ...more },
    log: createLog({ write: (line) => lines.push(line) }),
    manager: {
      watchdogMs: 200,
      notify: async (...words) => {
        const failure = failures.shift();
        if (failure === undefined) told.push(...words);
        return failure;
      },
      setWatchdog: async () => {},
    },
    stop: controller.signal,
    cluster,
  });
  const stop = async () => {
    controller.abort('SIGTERM');
    await ended;
  };
  t.after(stop);
  const until = async (state: State, holds: (status: Status) => boolean = () => true) => {
    let last: unknown;
    for (const deadline = performance.now() + DEADLINE_MS; performance.now() < deadline; await delay(50)) {
      last = await ask<Status>(paths.socket, '/v1/status').catch((error: unknown) => error);
      if ((last as Status).state === state && holds(last as Status)) return last as Status;
    }
    throw new Error(`the agent never was ${state}; it last said ${JSON.stringify(last)}`);
  };
  return { told, lines, stop, until };
}

/** The console follows the status within moments. */
async function shows({ paths }: Sandbox, pattern: RegExp): Promise<void> {
  let last = '';
  for (const deadline = performance.now() + DEADLINE_MS; performance.now() < deadline; await delay(20)) {
    last = existsSync(paths.issue) ? readFileSync(paths.issue, 'utf8') : '';
    if (pattern.test(last) && existsSync(paths.agettyReload)) return;
  }
  throw new Error(`the console never showed ${pattern}; it last showed\n${last}`);
}

test('a node without a seed waits for a key, says where to put it, and is ready soon after it came', async (t) => {
  const sandbox = makeSandbox(t);
  const agent = begin(t, sandbox);
  const waiting = await agent.until('waiting');
  assert.equal(waiting.conditions[0]?.code, 'key.missing');
  assert.match(waiting.conditions[0]?.endedBy ?? '', /clusteros\/cluster.key on a volume labelled CIDATA/);
  await shows(sandbox, /waiting for a cluster key/);
  assert.equal(statSync(sandbox.paths.issue).mode & 0o777, 0o644);
  const redrawn = statSync(sandbox.paths.agettyReload).mtimeMs;
  const inode = statSync(sandbox.paths.agettyReload).ino;

  sandbox.put('volume/clusteros/cluster.key', `${KEY}\r\n`);
  sandbox.put('volume/clusteros/node.yaml', 'name: alpha\n');
  renameSync(`${sandbox.folder}/volume`, sandbox.paths.seed);
  const ready = await agent.until('ready');
  assert.equal(ready.name, 'alpha');
  assert.equal(ready.id, waiting.id);
  assert.deepEqual(
    ready.seed.map(({ item, outcome }) => [item, outcome]),
    [
      ['cluster.key', 'taken'],
      ['node.yaml', 'taken'],
    ],
  );
  await shows(sandbox, /node alpha[\s\S]*state {4}ready/);
  assert.equal((await readLastKnown(sandbox.paths))?.status.state, 'ready');
  const deadline = performance.now() + DEADLINE_MS;
  while (statSync(sandbox.paths.agettyReload).mtimeMs <= redrawn) {
    assert.ok(performance.now() < deadline, 'agetty was never told to draw again');
    await delay(20);
  }
  assert.equal(statSync(sandbox.paths.agettyReload).ino, inode);

  await delay(500);
  const before = performance.now();
  await agent.stop();
  assert.ok(performance.now() - before < 2_000);
  assert.equal(agent.told[0], 'READY=1');
  assert.ok(agent.told.includes('WATCHDOG=1'));
  assert.ok(agent.told.includes('STOPPING=1'));
  const shown = [
    JSON.stringify([ready, agent.told, agent.lines]),
    readFileSync(sandbox.paths.issue, 'utf8'),
  ].join('');
  assert.ok(!shown.includes(KEY.slice(0, 16)), 'the key is nowhere to be seen');
});

test('the console of a node in a cluster shows the cluster, its quorum and its members', async (t) => {
  const sandbox = makeSandbox(t);
  begin(t, sandbox, { CLUSTER_AUTH_KEY: KEY }, [], {
    takeFacts: () => {},
    conditions: () => [],
    view: () => viewOf(scene(), 0, new Date(0)),
    api: {},
    done: Promise.resolve(),
  });
  await shows(sandbox, /cluster {2}clusteros 0f8fad5b[\s\S]*quorum {3}yes[\s\S]*members {2}3 of 4 alive/);
});

test('no sign of life sets the watchdog before systemd has heard that the agent is up', async (t) => {
  const agent = begin(t, makeSandbox(t), {}, ['it is slow', 'it is still slow']);
  await agent.until('waiting');
  const deadline = performance.now() + DEADLINE_MS;
  while (!agent.told.includes('WATCHDOG=1')) {
    assert.ok(performance.now() < deadline, 'the watchdog was never told');
    await delay(50);
  }
  assert.equal(agent.told[0], 'READY=1');
  assert.equal(agent.lines.filter((line) => line.includes('systemd was not told')).length, 2);
});

test('what the seed gave outlives the seed and a restart', async (t) => {
  const sandbox = makeSandbox(t);
  sandbox.seed('cluster.key', KEY);
  sandbox.seed('node.yaml', 'name: beta\n');
  const first = begin(t, sandbox);
  const { id, cluster } = await first.until('ready');
  await first.stop();
  rmSync(sandbox.paths.seed, { recursive: true });
  const again = await begin(t, sandbox).until('ready');
  assert.deepEqual([again.id, again.name, again.cluster], [id, 'beta', cluster]);
});

test('a later seed with another key is refused with its reason, and the node stays ready', async (t) => {
  const sandbox = makeSandbox(t);
  const agent = begin(t, sandbox, { CLUSTER_AUTH_KEY: KEY });
  const { cluster } = await agent.until('ready');
  sandbox.seed('cluster.key', Buffer.alloc(32, 7).toString('base64'));
  for (;;) {
    const status = await agent.until('ready');
    assert.equal(status.cluster.keyFingerprint, cluster.keyFingerprint);
    const refused = status.seed.find(({ outcome }) => outcome === 'refused');
    if (refused !== undefined) {
      assert.match(refused.reason ?? '', /another cluster's key/);
      break;
    }
    await delay(100, undefined, { signal: t.signal });
  }
});

test('bad settings leave the agent up and misconfigured, with the line, until they are corrected', async (t) => {
  const sandbox = makeSandbox(t);
  sandbox.put('etc/node.yaml', 'mesh:\n  prot: 1\n');
  const agent = begin(t, sandbox, { CLUSTEROS_CLUSTER_KEY: KEY });
  const status = await agent.until('misconfigured');
  assert.match(
    status.conditions[0]?.evidence ?? '',
    /node\.yaml:2:3: mesh\.prot: unknown key.*did you mean port\?/,
  );
  assert.ok(status.id, 'the identity was made all the same');
  writeFileSync(sandbox.paths.config, 'mesh:\n  port: 1\n');
  await agent.until('ready');
});

test('settings that become wrong while the agent runs are told, and those before them stay in force', async (t) => {
  const sandbox = makeSandbox(t);
  sandbox.put('etc/node.yaml', 'name: first\n');
  const agent = begin(t, sandbox, { CLUSTEROS_CLUSTER_KEY: KEY });
  await agent.until('ready');
  writeFileSync(sandbox.paths.config, 'name: first\nmesh:\n  prot: 1\n');
  assert.equal((await agent.until('misconfigured')).name, 'first');
});

test('an identity and a key damaged while the agent runs are reported, and the earlier ones stay', async (t) => {
  const sandbox = makeSandbox(t);
  const first = begin(t, sandbox, { CLUSTEROS_CLUSTER_KEY: KEY });
  const { id, cluster } = await first.until('ready');
  await first.stop();
  // Nothing is new to this run, so that only the loss itself makes it look again.
  const agent = begin(t, sandbox);
  await agent.until('ready');
  const [identity, key] = ['identity.json', 'cluster.key'].map((name) => `${sandbox.paths.state}/${name}`);
  assert.ok(id !== undefined && identity !== undefined && key !== undefined);
  const [whole, wholeKey] = [readFileSync(identity), readFileSync(key)];
  const failedAs = async (...codes: string[]) => {
    const failed = await agent.until(
      'failed',
      ({ conditions }) =>
        conditions
          .map(({ code }) => code)
          .sort()
          .join() === codes.join(),
    );
    assert.deepEqual([failed.id, failed.cluster], [id, cluster]);
  };
  unlinkSync(identity);
  await failedAs('identity.missing');
  writeFileSync(key, 'no key');
  await failedAs('identity.missing', 'key.corrupted');
  unlinkSync(key);
  await failedAs('identity.missing', 'key.lost');
  writeFileSync(identity, whole, { mode: 0o600 });
  writeFileSync(key, wholeKey, { mode: 0o600 });
  assert.equal((await agent.until('ready')).id, id);
});

test('a refused identity leaves the agent up and failed, and removing it makes no new node behind our back', async (t) => {
  const sandbox = makeSandbox(t);
  const file = sandbox.put('state/identity.json', '');
  const agent = begin(t, sandbox, { CLUSTEROS_CLUSTER_KEY: KEY });
  assert.equal((await agent.until('failed')).conditions[0]?.code, 'identity.corrupted');
  unlinkSync(file);
  await delay(3_000);
  const status = await agent.until('failed');
  assert.equal(status.conditions[0]?.code, 'identity.missing');
  assert.throws(() => statSync(file), { code: 'ENOENT' });
});

test('a loose key file beside the settings is refused until its mode is put right', async (t) => {
  const sandbox = makeSandbox(t);
  const file = sandbox.put('etc/cluster.key', KEY, 0o644);
  chmodSync(file, 0o644);
  const agent = begin(t, sandbox);
  assert.match((await agent.until('waiting')).conditions[0]?.evidence ?? '', /others may read it/);
  chmodSync(file, 0o600);
  await agent.until('ready');
});

test('links, folders, pipes and oversized files on a seed are refused unread', async (t) => {
  const sandbox = makeSandbox(t);
  mkdirSync(`${sandbox.paths.seed}/clusteros/cluster.key`, { recursive: true });
  sandbox.seed('node.yaml', `# ${'x'.repeat(70_000)}\n`);
  const status = await begin(t, sandbox).until('misconfigured');
  const reasons = status.seed.map(({ reason }) => reason);
  assert.match(String(reasons[0]), /not a regular file/);
  assert.match(String(reasons[1]), /larger than 65536 bytes/);
});
