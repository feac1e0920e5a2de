import assert from 'node:assert/strict';
import * as net from 'node:net';
import { type TestContext, test } from 'node:test';
import { matchesGolden } from '../../qemu/golden.ts';
import { viewOf } from '../api/view.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { Controller, View } from '../engine/controller.ts';
import type { Mesh, Resources } from '../engine/resources.ts';
import { web } from '../host.ts';
import { scene } from '../testing/scene.ts';
import { createMetrics } from './controller.ts';
import { type Measured, renderMetrics } from './render.ts';

const MEASURED: Measured = {
  state: 'ready',
  version: '1.0.0',
  view: viewOf(scene(), 100_000, new Date(0)),
  peers: scene().mesh?.peers ?? [],
  events: 12,
  refusals: 14,
  process: { residentBytes: 70_000_000, cpuSeconds: 1.5 },
};

test('the metrics of a healthy cluster', () =>
  matchesGolden(new URL('testdata/metrics.txt', import.meta.url), renderMetrics(MEASURED)));

test('every sample has its HELP and TYPE, and hostile names stay inside their quotes', () => {
  const peer = { id: 'x', name: 'a"} 1\nevil 2\\', address: '', handshakeAge: 1 };
  const lines = renderMetrics({ ...MEASURED, view: undefined, peers: [peer] })
    .trimEnd()
    .split('\n');
  const typed = new Set(lines.flatMap((line) => /^# TYPE (\S+)/.exec(line)?.[1] ?? []));
  for (const line of lines.filter((text) => !text.startsWith('#'))) {
    const [, name = ''] =
      /^([a-z_]+)(?:\{(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*\})? [0-9.]+$/.exec(line) ?? [];
    assert.ok(typed.has(name), line);
  }
});

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function station(t: TestContext) {
  const port = await freePort();
  const settings = { ...DEFAULT_SETTINGS, metrics: { port } };
  const controller: Controller = createMetrics({ text: () => 'clusteros_up 1\n' });
  t.after(() => controller.close?.());
  const reconcile = (mesh: Partial<Mesh>) => {
    const resources = { facts: { settings: { settings } }, mesh } as unknown as Resources;
    const view: View = { get: (name) => resources[name], nudge: () => {} };
    return controller.reconcile(view, t.signal);
  };
  return { port, reconcile };
}

const read = (address: string, port: number, init: RequestInit = {}, path = '/metrics') =>
  fetch(`http://${address}:${port}${path}`, init).then(async (it) => [it.status, await it.text()] as const);

test('metrics are served while the mesh is up, move with its address, and nothing but GET is answered', async (t) => {
  const { port, reconcile } = await station(t);
  assert.deepEqual(await reconcile({ ready: false, address: '127.0.0.2' }), {});
  await assert.rejects(read('127.0.0.2', port));
  await reconcile({ ready: true, address: '127.0.0.2' });
  assert.deepEqual(await read('127.0.0.2', port), [200, 'clusteros_up 1\n']);
  assert.equal((await read('127.0.0.2', port, { method: 'POST', body: 'x' }))[0], 405);
  assert.equal((await read('127.0.0.2', port, {}, '/'))[0], 404);
  await reconcile({ ready: true, address: '127.0.0.3' });
  await assert.rejects(read('127.0.0.2', port));
  assert.equal((await read('127.0.0.3', port))[0], 200);
  await reconcile({ ready: false, address: '127.0.0.3' });
  await assert.rejects(read('127.0.0.3', port));
});

test('a busy port is a condition that names it, and ends by itself', async (t) => {
  const { port, reconcile } = await station(t);
  const other = await web.listenWeb('127.0.0.1', port, async () => ({
    status: 200,
    type: 'text/plain; charset=utf-8',
    body: '',
  }));
  const outcome = await reconcile({ ready: true, address: '127.0.0.1' });
  assert.equal(outcome.conditions?.[0]?.code, 'metrics.port-busy');
  assert.ok((outcome.againMs ?? 0) > 0);
  await other.close();
  assert.deepEqual(await reconcile({ ready: true, address: '127.0.0.1' }), {});
  assert.equal((await read('127.0.0.1', port))[0], 200);
});
