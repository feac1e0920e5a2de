import assert from 'node:assert/strict';
import * as https from 'node:https';
import * as net from 'node:net';
import { type TestContext, test } from 'node:test';
import { authorityFrom } from '../certificates/authority.ts';
import { createEtcdClient } from './client.ts';
import { DEMOTED_MS, rank } from './endpoints.ts';
import { materialOf } from './testing/rig.ts';
import { EtcdError, type TlsMaterial } from './types.ts';

const authority = authorityFrom(Buffer.alloc(32, 9));
const tls = materialOf(authority, 'client');
const HEADER = { cluster_id: '7', member_id: '1', revision: '5' };

interface Fake {
  readonly endpoint: string;
  /** Paths asked for. */
  readonly asked: string[];
}

/** @param answer undefined: never */
async function fake(
  t: TestContext,
  answer: (path: string) => { status?: number; text: string } | undefined,
  server = materialOf(authority, 'server'),
): Promise<Fake> {
  const asked: string[] = [];
  const listener = https.createServer(
    { ca: server.ca, cert: server.certificate, key: server.key, requestCert: true },
    (request, response) => {
      asked.push(request.url ?? '');
      const found = answer(request.url ?? '');
      if (found === undefined) return;
      response.statusCode = found.status ?? 200;
      response.end(found.text);
    },
  );
  return { endpoint: `https://127.0.0.1:${await serve(t, listener)}`, asked };
}

async function serve(t: TestContext, server: net.Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

function clientOf(
  t: TestContext,
  endpoints: readonly string[],
  material: TlsMaterial = tls,
  timeoutMs = 1_500,
) {
  const client = createEtcdClient({ endpoints: () => endpoints, tls: () => material, timeoutMs });
  t.after(() => client.close());
  return client;
}

const good = () => ({ text: JSON.stringify({ header: HEADER }) });

async function failureOf(call: Promise<unknown>): Promise<EtcdError> {
  const error = await call.then(
    () => assert.fail('it succeeded'),
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof EtcdError, String(error));
  return error;
}

test('a read leaves an endpoint that hears and never answers, and asks it last from then on', async (t) => {
  const mute = await fake(t, () => undefined);
  const well = await fake(t, good);
  const client = clientOf(t, [mute.endpoint, well.endpoint]);
  assert.equal((await client.range('a')).revision, '5');
  assert.equal((await client.range('a')).revision, '5');
  assert.deepEqual([mute.asked.length, well.asked.length], [1, 2]);
});

test('an endpoint that accepts connections and says nothing, not even TLS, is left by writes too', async (t) => {
  const port = await serve(
    t,
    net.createServer(() => {}),
  );
  const well = await fake(t, good);
  const client = clientOf(t, [`https://127.0.0.1:${port}`, well.endpoint], tls, 6_000);
  assert.equal((await client.put('a', 'b')).revision, '5');
});

test('a write without an answer is sent once, and its outcome is unknown', async (t) => {
  const mute = await fake(t, () => undefined);
  const well = await fake(t, good);
  const client = clientOf(t, [mute.endpoint, well.endpoint]);
  const error = await failureOf(client.put('a', 'b'));
  assert.deepEqual([error.code, error.outcomeUnknown], ['etcd.timeout', true]);
  assert.deepEqual([mute.asked.length, well.asked.length], [1, 0]);
  assert.equal((await client.put('a', 'b')).revision, '5');
});

test('a write that was refused for want of a leader is tried elsewhere', async (t) => {
  const refusing = await fake(t, () => ({
    status: 503,
    text: '{"error":"etcdserver: no leader","message":"etcdserver: no leader","code":14}',
  }));
  const well = await fake(t, good);
  const client = clientOf(t, [refusing.endpoint, well.endpoint]);
  assert.equal((await client.put('a', 'b')).revision, '5');
  const alone = await failureOf(clientOf(t, [refusing.endpoint]).put('a', 'b'));
  assert.deepEqual([alone.code, alone.outcomeUnknown], ['etcd.no-leader', false]);
});

test('nobody there, and no endpoint known, are told at once', async (t) => {
  const refused = await failureOf(clientOf(t, ['https://127.0.0.1:1']).put('a', 'b'));
  assert.deepEqual([refused.code, refused.outcomeUnknown], ['etcd.unreachable', false]);
  assert.equal((await failureOf(clientOf(t, []).range('a'))).code, 'etcd.unreachable');
});

test('a server with a certificate of another cluster is sent nothing', async (t) => {
  const theirs = await fake(t, good, materialOf(authorityFrom(Buffer.alloc(32, 10)), 'server'));
  const error = await failureOf(clientOf(t, [theirs.endpoint]).put('a', 'b'));
  assert.deepEqual([error.code, error.outcomeUnknown], ['etcd.permission', false], error.evidence ?? '');
  assert.deepEqual(theirs.asked, []);
});

test('garbage is refused, and a read is answered by another endpoint', async (t) => {
  for (const text of [
    '',
    'no',
    '[]',
    '{}',
    '{"header":7}',
    '{"header":{"revision":"x"}}',
    '{"header":{},"kvs":3}',
  ]) {
    const bad = await fake(t, () => ({ text }));
    const well = await fake(t, good);
    assert.equal((await clientOf(t, [bad.endpoint, well.endpoint]).range('a')).revision, '5', text);
    if (text === '{"header":{},"kvs":3}') continue;
    const error = await failureOf(clientOf(t, [bad.endpoint]).put('a', 'b'));
    assert.deepEqual([error.code, error.outcomeUnknown], ['etcd.rejected', true], text);
  }
});

test('an answer of another cluster is not believed', async (t) => {
  const { endpoint } = await fake(t, good);
  const client = createEtcdClient({ endpoints: () => [endpoint], tls: () => tls, clusterId: () => '8' });
  t.after(() => client.close());
  assert.equal((await failureOf(client.range('a'))).code, 'etcd.rejected');
});

test('changed certificate files are used from the next call on', async (t) => {
  const { endpoint } = await fake(t, good);
  let material = materialOf(authorityFrom(Buffer.alloc(32, 10)), 'client');
  const client = createEtcdClient({ endpoints: () => [endpoint], tls: () => material });
  t.after(() => client.close());
  assert.equal((await failureOf(client.range('a'))).code, 'etcd.permission');
  material = tls;
  assert.equal((await client.range('a')).revision, '5');
});

test('who failed lately comes last, the longest ago first, and is forgiven', () => {
  const failures = new Map([
    ['a', 1_000],
    ['b', 500],
  ]);
  assert.deepEqual(rank(['a', 'b', 'c', 'd', 'c'], failures, 2_000), ['c', 'd', 'b', 'a']);
  assert.deepEqual(rank(['a', 'b', 'c'], failures, 500 + DEMOTED_MS), ['b', 'c', 'a']);
});
