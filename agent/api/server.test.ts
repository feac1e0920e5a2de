import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import * as http from 'node:http';
import * as net from 'node:net';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Operations } from '../operations/operations.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { createApi } from './api.ts';
import { ask, order } from './client.ts';
import { ROUTES, type Snapshot } from './routes.ts';
import { serveApi } from './server.ts';

const SNAPSHOT = { status: { state: 'waiting' }, info: { version: '1' } } as unknown as Snapshot;

function route(method: string, target: string, snapshot: Snapshot) {
  const api = createApi({ snapshot: () => snapshot, now: () => new Date(0) });
  const [body, query, signal] = [Buffer.alloc(0), new URLSearchParams(), new AbortController().signal];
  return api({ method, path: target, query, body, signal });
}

async function served(t: TestContext) {
  const { paths } = makeSandbox(t);
  const listener = await serveApi(paths, () => SNAPSHOT);
  t.after(() => listener.close());
  return paths;
}

function send(
  socketPath: string,
  method: string,
  path: string,
  body?: string,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

test('each path answers JSON, and health says not ready with 503', async () => {
  assert.deepEqual(await route('GET', '/v1/status', SNAPSHOT), { status: 200, body: SNAPSHOT.status });
  assert.deepEqual(await route('GET', '/v1/info', SNAPSHOT), { status: 200, body: SNAPSHOT.info });
  assert.equal((await route('GET', '/v1/health', SNAPSHOT)).status, 503);
  assert.equal(
    (await route('GET', '/v1/health', { ...SNAPSHOT, status: { ...SNAPSHOT.status, state: 'ready' } }))
      .status,
    200,
  );
});

test('unknown paths, names of prototypes among them, are 404, other methods 405', async () => {
  for (const path of ['/', '/v1', '/v1/nothing', '__proto__', 'constructor', '/v1/status/']) {
    assert.equal((await route('GET', path, SNAPSHOT)).status, 404, path);
  }
  const refused = await route('DELETE', '/v1/status', SNAPSHOT);
  assert.equal(refused.status, 405);
  assert.equal(refused.headers?.allow, 'GET, HEAD');
});

test('the socket answers, and is closed to everybody but owner and group', async (t) => {
  const paths = await served(t);
  assert.equal(statSync(paths.socket).mode & 0o777, 0o660);
  assert.deepEqual(await ask(paths.socket, '/v1/status'), SNAPSHOT.status);
  assert.equal((await send(paths.socket, 'POST', '/v1/status', '{}')).status, 405);
  assert.match((await send(paths.socket, 'GET', '/nothing')).text, /"code":"api.unknown-path"/);
});

test('whoever may only look gets the state, no order and nothing else, and only through a folder of root', async (t) => {
  const { statusSocket } = await served(t);
  assert.deepEqual(await ask(statusSocket, '/v1/status'), SNAPSHOT.status);
  assert.equal(statSync(statusSocket).mode & 0o777, 0o666);
  assert.equal(statSync(path.dirname(statusSocket)).mode & 0o777, 0o700);
  for (const { method, path: other } of ROUTES.filter((entry) => entry.path !== '/v1/status')) {
    assert.equal((await send(statusSocket, method, other)).status, 404, other);
  }
  for (const method of ['POST', 'PUT', 'DELETE']) {
    assert.equal((await send(statusSocket, method, '/v1/status')).status, 405, method);
  }
});

test('both sockets are gone when the API is closed', async (t) => {
  const { paths } = makeSandbox(t);
  const listener = await serveApi(paths, () => SNAPSHOT);
  await listener.close();
  for (const socket of [paths.socket, paths.statusSocket]) {
    await assert.rejects(ask(socket, '/v1/status'), { code: 'agent.not-running' });
  }
});

test('a body beyond the limit is refused while it is being sent', async (t) => {
  const paths = await served(t);
  assert.equal((await send(paths.socket, 'POST', '/v1/status', 'x'.repeat(70_000))).status, 413);
});

test('a client that says nothing is cut off, and others are served meanwhile', async (t) => {
  const paths = await served(t);
  const idle = net.connect(paths.socket);
  const ended = new Promise<number>((resolve) => {
    const started = performance.now();
    idle.resume();
    idle.on('close', () => resolve(performance.now() - started));
  });
  idle.write('GET /v1/status HTTP/1.1\r\nhost:');
  assert.deepEqual(await ask(paths.socket, '/v1/status'), SNAPSHOT.status);
  assert.ok((await ended) < 9_000);
});

test('a live agent is not replaced', async (t) => {
  const paths = await served(t);
  await assert.rejects(
    serveApi(paths, () => SNAPSHOT),
    { code: 'agent.already-running', exit: 'alreadyRunning' },
  );
  assert.deepEqual(await ask(paths.socket, '/v1/status'), SNAPSHOT.status);
});

test('the socket that a killed agent left behind is replaced', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.run);
  const script = `require('node:net').createServer().listen(${JSON.stringify(paths.socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
  assert.equal(spawnSync(process.execPath, ['-e', script]).signal, 'SIGKILL');
  assert.ok(statSync(paths.socket).isSocket());
  const listener = await serveApi(paths, () => SNAPSHOT);
  assert.deepEqual(await ask(paths.socket, '/v1/status'), SNAPSHOT.status);
  await listener.close();
});

test('an absent agent is told as such, with what to do', async (t) => {
  const { paths } = makeSandbox(t);
  await assert.rejects(ask(paths.socket, '/v1/status'), {
    code: 'agent.not-running',
    fix: /systemctl status node-agent/,
  });
});

test('an agent that fails or is not ready has an error of its own, not that of another version', async (t) => {
  const { paths } = makeSandbox(t);
  const failing = async () => {
    throw new TypeError('x is not a function');
  };
  const operations = { takeSnapshot: failing } as unknown as Operations;
  const first = await serveApi(paths, () => SNAPSHOT, { operations });
  await assert.rejects(order(paths.socket, '/v1/snapshots', {}), {
    code: 'agent.internal',
    exit: 'internal',
    evidence: 'x is not a function',
  });
  await first.close();
  const second = await serveApi(paths, () => SNAPSHOT);
  t.after(() => second.close());
  await assert.rejects(ask(paths.socket, '/v1/tokens'), {
    code: 'agent.not-ready',
    exit: 'notDone',
    fix: /node-agent status/,
  });
});

test('an order that is not finished in time is said to go on, not to be given again', async (t) => {
  const { paths } = makeSandbox(t);
  const operations = { takeSnapshot: () => new Promise(() => {}) } as unknown as Operations;
  const listener = await serveApi(paths, () => SNAPSHOT, { operations });
  t.after(() => listener.close());
  await assert.rejects(order(paths.socket, '/v1/snapshots', {}, 200), {
    code: 'agent.no-answer',
    fix: /may still carry the order out/,
  });
});
