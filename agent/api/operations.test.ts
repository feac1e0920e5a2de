import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AgentError } from '../errors.ts';
import type { Event } from '../events/event.ts';
import type { Operations } from '../operations/operations.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { ask, listen, order } from './client.ts';
import type { ApiParts, Snapshot } from './routes.ts';
import { serveApi } from './server.ts';
import { parseDuration, parseSince } from './since.ts';
import { type ClusterView, viewOf } from './view.ts';

const ALPHA = '4'.repeat(44);
const BETA = `5${'6'.repeat(43)}`;

const member = (id: string, status: 'alive' | 'failed') => ({
  id,
  address: '192.168.1.2',
  port: 7946,
  status,
  tags: {},
  sinceMs: 0,
});

const VIEW = viewOf(
  { gossip: { running: true, members: [member(ALPHA, 'alive'), member(BETA, 'failed')] } },
  0,
  new Date(0),
);

/** Operations that write down what they are asked; those not named here fail as a cluster without quorum. */
function recorded() {
  const asked: unknown[] = [];
  const operations = new Proxy({} as Operations, {
    get: (_target, name) => async (argument: unknown) => {
      asked.push([name, argument]);
      if (name !== 'rotateKey') return { done: String(name) };
      throw new AgentError({
        code: 'etcd.no-quorum',
        exit: 'notDone',
        message: 'no quorum',
        evidence: 'voters: 1 of 3',
        fix: 'start the others',
      });
    },
  });
  return { asked, operations };
}

async function served(t: TestContext, parts: Partial<ApiParts>, view: ClusterView = VIEW) {
  const { paths } = makeSandbox(t);
  const snapshot = { status: { state: 'ready', cluster: { name: 'lab' } }, info: {}, view };
  const listener = await serveApi(paths, () => snapshot as unknown as Snapshot, parts);
  t.after(() => listener.close());
  return paths.socket;
}

test('an order reaches its operation, with the node found by name or by the beginning of its id', async (t) => {
  const { asked, operations } = recorded();
  const socket = await served(t, { operations });
  await order(socket, '/v1/evict', { node: BETA.slice(0, 5) });
  await order(socket, '/v1/evict', { node: ALPHA });
  await order(socket, '/v1/readmit', { node: BETA });
  await order(socket, '/v1/tokens', { ttlSeconds: 3600, uses: 2 });
  await order(socket, '/v1/leave', {});
  assert.deepEqual(asked, [
    ['evict', BETA],
    ['evict', ALPHA],
    ['readmit', BETA],
    ['createToken', { ttlSeconds: 3600, uses: 2 }],
    ['leave', undefined],
  ]);
});

test('a body that is not as expected is refused before anything is done', async (t) => {
  const { asked, operations } = recorded();
  const socket = await served(t, { operations });
  for (const [path, body] of [
    ['/v1/evict', {}],
    ['/v1/evict', { node: BETA, force: true }],
    ['/v1/evict', { node: 'x'.repeat(101) }],
    ['/v1/evict', [1]],
    ['/v1/evict', null],
    ['/v1/tokens', { ttlSeconds: -1, uses: 1 }],
    ['/v1/tokens', { ttlSeconds: 3600, uses: 1e9 }],
    ['/v1/tokens/revoke', { id: '../genesis' }],
    ['/v1/recover', { mode: 'pray' }],
  ] as const) {
    await assert.rejects(order(socket, path, body), { exit: 'usage' }, JSON.stringify(body));
  }
  assert.deepEqual(asked, []);
});

test('a node that nobody is called is refused with the names there are', async (t) => {
  const socket = await served(t, recorded());
  await assert.rejects(order(socket, '/v1/evict', { node: 'nobody' }), {
    code: 'node.unknown',
    exit: 'usage',
    evidence: new RegExp(BETA),
  });
});

test('of two nodes with one name the one that has left is not meant, and readmit names who is not evicted', async (t) => {
  const { asked, operations } = recorded();
  const named = (id: string, status: 'alive' | 'left') => {
    const [one] = VIEW.members.filter((each) => each.id === id);
    return { ...(one ?? assert.fail()), name: 'n2', status };
  };
  const view = { ...VIEW, members: [named(BETA, 'left'), named(ALPHA, 'alive')] };
  const socket = await served(t, { operations }, view);
  await order(socket, '/v1/evict', { node: 'n2' });
  await order(socket, '/v1/readmit', { node: 'n2' });
  assert.deepEqual(asked, [
    ['evict', ALPHA],
    ['readmit', BETA],
  ]);
});

test('an evicted node that everybody else has forgotten is listed, and readmitted by its name', async (t) => {
  const { asked, operations } = recorded();
  const registry = {
    nodes: [],
    addresses: {},
    names: {},
    holders: [],
    evicted: [BETA],
    evictedNames: { [BETA]: 'omega' },
    tokens: [],
  };
  const view = viewOf({ registry }, 0, new Date(0));
  assert.deepEqual(
    view.members.map(({ name, evicted }) => [name, evicted]),
    [['omega', true]],
  );
  await order(await served(t, { operations }, view), '/v1/readmit', { node: 'omega' });
  assert.deepEqual(asked, [['readmit', BETA]]);
});

test('an error of an operation crosses the socket with its code, exit code, evidence and fix', async (t) => {
  const socket = await served(t, recorded());
  await assert.rejects(order(socket, '/v1/rotate-key', {}), {
    code: 'etcd.no-quorum',
    exit: 'notDone',
    evidence: 'voters: 1 of 3',
    fix: 'start the others',
  });
});

test('an agent without the parts says so, and status and members tell the view', async (t) => {
  const socket = await served(t, {});
  for (const path of ['/v1/events', '/v1/metrics', '/v1/tokens']) {
    await assert.rejects(ask(socket, path), { code: 'agent.not-ready', message: /this agent has no/ });
  }
  const status = await ask<Record<string, Record<string, unknown>>>(socket, '/v1/status');
  assert.equal(status.cluster?.name, 'lab');
  assert.equal(status.cluster?.confirmed, false);
  const { members } = await ask<{ members: { id: string }[] }>(socket, '/v1/members');
  assert.deepEqual(members.map(({ id }) => id).sort(), [ALPHA, BETA]);
});

test('following events tells the old ones, then each new one, once, until the asker has gone', async (t) => {
  const event = (seq: number): Event => ({
    at: '2026-01-01T00:00:00.000Z',
    seq,
    kind: 'x',
    summary: `${seq}`,
  });
  const ended = Promise.withResolvers<void>();
  const socket = await served(t, {
    events: {
      since: async () => [event(1), event(2)],
      async *follow(signal) {
        yield event(2);
        yield event(3);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        ended.resolve();
      },
    },
  });
  const stop = new AbortController();
  const seen: number[] = [];
  for await (const { seq } of listen<Event>(socket, '/v1/events?follow=1', stop.signal)) {
    seen.push(seq);
    if (seq === 3) stop.abort();
  }
  assert.deepEqual(seen, [1, 2, 3]);
  await ended.promise;
  await assert.rejects(ask(socket, '/v1/events?since=yesterday'), { code: 'usage', message: /ISO 8601/ });
});

test('durations and beginnings are read as people write them', () => {
  assert.equal(parseDuration('24h'), 86_400);
  for (const text of ['', '1', 'h', '-1h', '1y', '1e3s', ' 1h']) assert.equal(parseDuration(text), undefined);
  const now = new Date('2026-01-02T00:00:00Z');
  assert.deepEqual(parseSince('1d', now), { time: new Date('2026-01-01T00:00:00Z') });
  assert.deepEqual(parseSince('seq:7', now), { seq: 7 });
  assert.deepEqual(parseSince('', now), {});
  assert.equal(parseSince('soon', now), undefined);
});
