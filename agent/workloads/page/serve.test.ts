import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import * as path from 'node:path';
import { test } from 'node:test';
import { boottime, unixSocket, web } from '../../host.ts';
import { makeSandbox } from '../../testing/sandbox.ts';
import { askPage } from './health.ts';
import { createAnswer, servePage } from './serve.ts';

test('the page shows what the agent says, only to GET, with a policy that allows no script', async (t) => {
  const { folder } = makeSandbox(t);
  const socket = path.join(folder, 'agent.sock');
  const agent = await unixSocket.listen(socket, () => ({ status: 200, body: { name: 'alpha' } }));
  t.after(() => agent.close());
  const page = await web.listenWeb('127.0.0.1', 0, createAnswer(socket));
  t.after(() => page.close());
  const base = `http://127.0.0.1:${page.port}`;
  const shown = await fetch(base);
  assert.equal(shown.status, 200);
  assert.match(shown.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  assert.match(await shown.text(), /alpha/);
  assert.equal((await fetch(base, { method: 'POST', body: 'x' })).status, 405);
  assert.equal((await fetch(`${base}/etc/passwd`)).status, 404);
  assert.equal(await web.statusOf(`${base}/healthz`, 2_000), 200);
});

test('the page says so when the agent does not answer', async (t) => {
  const { folder } = makeSandbox(t);
  const answer = await createAnswer(path.join(folder, 'nobody.sock'))('/');
  assert.equal(answer.status, 503);
});

test('the page ends by itself when the lease is over, though nobody stops it', async (t) => {
  const { folder } = makeSandbox(t);
  const leaseFile = path.join(folder, 'lease.json');
  const port = await freePort();
  const options = { address: '127.0.0.1', port, socket: path.join(folder, 's'), leaseFile };
  assert.equal(await servePage(options, new AbortController().signal), 'lease');
  const endsMs = boottime.sinceBootMs() + 1_500;
  writeFileSync(leaseFile, JSON.stringify({ fence: '1', endsMs }));
  assert.equal(await servePage(options, AbortSignal.timeout(20_000)), 'lease');
  assert.ok(boottime.sinceBootMs() >= endsMs);
  await assert.rejects(web.statusOf(`http://127.0.0.1:${port}/healthz`, 2_000));
});

async function freePort(): Promise<number> {
  const server = http.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('how late the page may be is for whoever asks: a slow machine is not a sick one', async (t) => {
  const server = http.createServer((_request, response) => void setTimeout(() => response.end('ok'), 2_500));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  assert.equal(await askPage('127.0.0.1', (server.address() as AddressInfo).port), true);
});
