import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as net from 'node:net';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { createEtcdClient } from '../consensus/etcd/client.ts';
import { boottime, clock } from '../host.ts';
import { createLog } from '../log.ts';
import { createMirror } from '../registry/mirror.ts';
import { registryOf } from '../registry/reduce.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { fencedTxn } from './fence.ts';
import { timingOf } from './lease.ts';
import { createSeat } from './seat.ts';
import { followRoles } from './watch.ts';
import type { World } from './world.ts';

const QUIET = createLog({ write: () => {} });
const IDS = ['1', '2'].map((digit) => digit.repeat(43)) as [string, string];

async function startEtcd(t: TestContext): Promise<string> {
  const { folder } = makeSandbox(t);
  const [client, peer] = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`);
  const argv = [
    ['--name', 'one', '--data-dir', path.join(folder, 'data'), '--log-level', 'error'],
    ['--listen-client-urls', client, '--advertise-client-urls', client],
    ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `one=${peer}`],
  ].flat() as string[];
  const child = spawn('etcd', argv, { stdio: 'ignore' });
  t.after(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  return client as string;
}

function candidate(t: TestContext, endpoint: string, id: string) {
  const client = createEtcdClient({ endpoints: () => [endpoint], tls: () => undefined });
  const stop = new AbortController();
  const time = { nowMs: boottime.sinceBootMs, pause: clock.pause };
  const world = {
    me: id,
    leaseSeconds: 3,
    slack: 1,
    range: '10.42.0.0/16',
    may: true,
    why: { reason: '', endedBy: '' },
    quorum: true,
  } as const;
  const all: World = {
    ...world,
    reachable: true,
    voters: IDS,
    alive: IDS,
    versions: { agent: '', image: '', serf: '', etcd: '' },
    voterVersions: [],
    holders: [],
    moves: {},
    workloads: DEFAULT_SETTINGS.workloads,
    labels: {},
  };
  let runs = false;
  const seat = createSeat({
    role: { name: 'page', units: () => [], health: async () => true },
    world,
    instance: id,
    client,
    time,
    timing: timingOf(3),
    log: QUIET,
    changed: () => {},
    effects: () => ({
      start: async () => {
        runs = true;
      },
      stop: async () => {
        runs = false;
      },
      health: async () => true,
      proven: () => {},
      lease: async () => {},
    }),
  });
  const following = followRoles(client, ['page'], time, stop.signal, (_role, key) => seat.see(key), QUIET);
  const timer = setInterval(() => seat.decide(all), 20);
  const vanish = () => clearInterval(timer);
  t.after(async () => {
    vanish();
    await seat.tenure.resign('the test ends');
    stop.abort();
    await client.close();
    await following;
  });
  return { seat, client, vanish, runs: () => runs };
}

test('on a real etcd a role is taken, fenced, given back within a second, and held again after its key was lost', async (t) => {
  const endpoint = await startEtcd(t);
  const [a, b] = [candidate(t, endpoint, IDS[0]), candidate(t, endpoint, IDS[1])];
  const mirror = createMirror(a.client, QUIET, () => {});
  t.after(() => mirror.close());
  await until(() => a.runs() || b.runs(), 'somebody holds the role');
  const [first, second] = a.runs() ? [a, b] : [b, a];
  const fence = first.seat.tenure.fence ?? '';
  const holders = () => registryOf(mirror.entries?.values() ?? []).registry.holders;
  await until(() => holders()[0]?.fence === fence, 'the registry shows the holder');
  const put = [{ kind: 'put', key: '/clusteros/v1/x', value: 'first' }] as const;
  assert.equal((await fencedTxn(first.client, 'page', fence, put)).succeeded, true);

  const startedMs = clock.monotonicMs();
  await first.seat.tenure.resign('the test says so');
  await until(() => second.runs(), 'the other holds it');
  t.diagnostic(`graceful hand-over: ${Math.round(clock.monotonicMs() - startedMs)} ms`);
  assert.ok(clock.monotonicMs() - startedMs < 1_000);
  assert.equal(
    (await fencedTxn(first.client, 'page', fence, put)).succeeded,
    false,
    'the old fence is refused',
  );

  // Etcd forgets the key under the holder: it stops at its next beat, and somebody holds the role again.
  const later = second.seat.tenure.fence;
  await first.client.delete('/clusteros/v1/roles/page');
  await until(
    () => [first, second].some(({ seat }) => Number(seat.tenure.fence) > Number(later)),
    'a new tenure',
  );
  await until(() => [first, second].filter((one) => one.runs()).length === 1, 'one holder');
});

test('on a real etcd a holder that is cut off stops before the other takes over at the end of the lease', async (t) => {
  const endpoint = await startEtcd(t);
  const [a, b] = [candidate(t, endpoint, IDS[0]), candidate(t, endpoint, IDS[1])];
  await until(() => a.runs() || b.runs(), 'somebody holds the role');
  const [first, second] = a.runs() ? [a, b] : [b, a];
  first.vanish();
  await first.client.close();
  const cutMs = clock.monotonicMs();
  await until(() => {
    assert.ok(!(first.runs() && second.runs()), 'two holders');
    return second.runs();
  }, 'the other holds it');
  const ms = Math.round(clock.monotonicMs() - cutMs);
  t.diagnostic(`lease 3000 ms, taken over ${ms} ms after the cut`);
  assert.ok(ms > 2_000 && ms < 6_000);
});

async function until(check: () => boolean, what: string): Promise<void> {
  const deadline = clock.monotonicMs() + 30_000;
  while (!check()) {
    assert.ok(clock.monotonicMs() < deadline, `in vain: ${what}`);
    await delay(10);
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
