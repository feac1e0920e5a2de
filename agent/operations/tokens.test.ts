import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { Controller, View } from '../engine/controller.ts';
import { AgentError } from '../errors.ts';
import { makeToken, parseToken, tokenKey, tokenText } from '../identity/tokens.ts';
import { createMemoryEtcd } from '../testing/memory-etcd.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { evict, readmit } from './admission.ts';
import { createEnrolServer, ENROL_KIND, enrol } from './enrol.ts';
import { agedTokens, tokenClock } from './token-clock.ts';
import { createTokenStore } from './token-store.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const KEY = Buffer.alloc(32, 9);
const SERF_IS_AWAY = new AgentError({ code: 'gossip.rpc-unreachable', exit: 'notRunning', message: 'away' });

function station() {
  const etcd = createMemoryEtcd();
  const time = { ms: START };
  const tokens = createTokenStore({ etcd, now: () => new Date(time.ms), random: randomBytes });
  const rotating = { now: false };
  const answer = createEnrolServer({
    tokens,
    clusterKey: () => KEY,
    clusterName: () => 'lab',
    isRotating: async () => rotating.now,
  });
  /** The channel: opens only for a key that the cluster knows under that identity. */
  const join = (token: string, node: string) =>
    enrol(token, { address: '10.0.0.1', port: 7947 }, async (_target, kind, _body, options) => {
      assert.equal(kind, ENROL_KIND);
      const [kv] = (await etcd.range(`/clusteros/v1/tokens/${options.token.id}`)).kvs;
      const known = kv && Buffer.from(JSON.parse(kv.value).key, 'base64');
      assert.ok(known === undefined || known.equals(options.token.key), 'handshake failed');
      return { answer: JSON.parse(JSON.stringify(await answer(options.token.id, node))) };
    });
  return { etcd, time, tokens, rotating, join, answer };
}

test('a token is text that survives pasting, and different secrets make different keys', () => {
  const token = makeToken(randomBytes);
  assert.match(tokenText(token), /^[1-9A-HJ-NP-Za-km-z]{8}\.[1-9A-HJ-NP-Za-km-z]{24}$/);
  assert.deepEqual(parseToken(`\ufeff ${tokenText(token)}\r\n`), token);
  for (const bad of [
    '',
    '.',
    'a.b',
    `${tokenText(token)}x`,
    tokenText(token).replace('.', ' '),
    '0OIl0OIl.x',
  ]) {
    assert.equal(parseToken(bad), undefined);
  }
  assert.equal(tokenKey(token).length, 32);
  assert.notDeepEqual(tokenKey(token), tokenKey({ ...token, id: '11111111' }));
});

test('a token lets in as many machines as it says, each as often as it asks, and no more', async () => {
  const { tokens, join } = station();
  const { token } = await tokens.create({ ttlSeconds: 3600, uses: 2 });
  const first = await join(token, 'a');
  assert.deepEqual([first.clusterKey, first.clusterName], [KEY, 'lab']);
  await join(token, 'a');
  await join(token, 'b');
  await assert.rejects(join(token, 'c'), { code: 'enrol.refused', evidence: /all its uses are taken/ });
  await join(token, 'a');
  assert.equal((await tokens.list())[0]?.usesLeft, 0);
});

test('twenty machines at once take exactly the uses there are', async () => {
  const { tokens } = station();
  const { id } = await tokens.create({ ttlSeconds: 3600, uses: 5 });
  const taken = await Promise.all(Array.from({ length: 20 }, (_, n) => tokens.take(id, `node${n}`)));
  assert.equal(taken.filter(({ outcome }) => outcome === 'taken').length, 5);
});

test('an expired or revoked token lets nobody in, and is forgotten in the end', async () => {
  const { etcd, tokens, time, join } = station();
  const { token, id } = await tokens.create({ ttlSeconds: 60, uses: 2, note: 'rack' });
  await join(token, 'a');
  time.ms += 60_000;
  etcd.pass(60);
  await assert.rejects(join(token, 'b'), { evidence: /expired at 2026-01-01T00:01:00/ });
  assert.deepEqual(await tokens.list(), [
    { id, expires: '2026-01-01T00:01:00.000Z', expired: true, usesLeft: 1, note: 'rack' },
  ]);
  const other = await tokens.create({ ttlSeconds: 60, uses: 1 });
  await join(other.token, 'x');
  await tokens.revoke(other.id);
  await assert.rejects(join(other.token, 'a'), { evidence: /revoked/ });
  await assert.rejects(tokens.revoke(other.id), { code: 'token.unknown' });
  time.ms += 8 * 86_400_000;
  etcd.pass(8 * 86_400);
  await tokens.create({ ttlSeconds: 60, uses: 1 });
  assert.equal(etcd.keys().length, 2);
});

test('no clock of a member decides that a token is good: one that is off changes nothing', async () => {
  const { etcd, tokens, time, join } = station();
  const { token } = await tokens.create({ ttlSeconds: 60, uses: 3 });
  time.ms = Date.parse('2036-01-01T00:00:00Z');
  await join(token, 'a');
  time.ms = 0;
  etcd.pass(59);
  await join(token, 'b');
  etcd.pass(1);
  await assert.rejects(join(token, 'c'), { evidence: /expired/ });
  assert.equal((await tokens.list())[0]?.expired, true);
});

test('a token that ends while a machine asks for a use of it lets nobody in', async () => {
  const { etcd, tokens } = station();
  const { id } = await tokens.create({ ttlSeconds: 60, uses: 1 });
  const { txn } = etcd;
  const late = async (asked: Parameters<typeof txn>[0]) => {
    etcd.pass(60);
    return txn(asked);
  };
  Object.assign(etcd, { txn: late });
  assert.equal((await tokens.take(id, 'a')).outcome, 'refused');
});

test('a voter counts the time of a token by its own clock, wherever that stands', () => {
  const tokens = [{ id: 'a', ttlSeconds: 60 }, { id: 'b', ttlSeconds: 600 }, { id: 'older' }];
  const first = agedTokens({ gone: 5 }, tokens, 1_000);
  assert.deepEqual(first, { seen: { a: 1_000, b: 1_000, older: 1_000 }, over: [] });
  assert.deepEqual(agedTokens(first.seen, tokens, 60_999).over, []);
  assert.deepEqual(agedTokens(first.seen, tokens, 61_000).over, ['a']);
  // A clock that was set back.
  assert.deepEqual(agedTokens(first.seen, tokens, 0).over, []);
});

/** A token of a minute, and voters that share one state folder; their clocks stand where the test sets them. */
async function votersOf(t: TestContext) {
  const { etcd, tokens } = station();
  const { id } = await tokens.create({ ttlSeconds: 60, uses: 1 });
  const { paths, put } = makeSandbox(t);
  const clocks = { wallMs: 1_000, monotonicMs: 0 };
  const resources: Record<string, unknown> = {
    facts: { identity: { id: 'me' } },
    consensus: { voters: ['me'], quorum: true },
    registry: { tokens: [{ id, ttlSeconds: 60 }] },
  };
  const view: View = { get: (name) => resources[name] as never, nudge: () => {} };
  return {
    ...{ put, clocks, resources },
    voter: () =>
      tokenClock({
        ...{ etcd, state: paths.state },
        wallClock: () => new Date(clocks.wallMs),
        now: () => clocks.monotonicMs,
      }),
    look: (voter: Controller) => voter.reconcile(view, new AbortController().signal),
    isExpired: async () => (await tokens.list())[0]?.expired,
  };
}

test('a voter ends a token whose lease was begun anew, also after a restart of its agent', async (t) => {
  const { put, clocks, resources, voter, look, isExpired } = await votersOf(t);
  put('state/identity.json', '{}');
  await look(voter());
  assert.equal(await isExpired(), false);
  clocks.wallMs += 60_000;
  resources.consensus = { voters: ['another'], quorum: true };
  await look(voter());
  assert.equal(await isExpired(), false);
  resources.consensus = { voters: ['me'], quorum: true };
  await look(voter());
  assert.equal(await isExpired(), true);
});

test('a wall clock that is set back prolongs no token on a voter whose agent keeps running', async (t) => {
  const { put, clocks, voter, look, isExpired } = await votersOf(t);
  put('state/identity.json', '{}');
  Object.assign(clocks, { wallMs: Date.parse('2026-01-03'), monotonicMs: 5_000 });
  const running = voter();
  await look(running);
  Object.assign(clocks, { wallMs: Date.parse('2026-01-01'), monotonicMs: 64_999 });
  await look(running);
  assert.equal(await isExpired(), false);
  clocks.monotonicMs = 65_000;
  await look(running);
  assert.equal(await isExpired(), true);
});

test('a voter whose disk takes nothing ends a token all the same', async (t) => {
  const { put, clocks, voter, look, isExpired } = await votersOf(t);
  // Nothing can take the place of a folder.
  put('state/tokens-seen.json/x', '');
  const running = voter();
  await assert.rejects(look(running), { code: 'file.unwritable' });
  assert.equal(await isExpired(), false);
  clocks.wallMs += 60_000;
  await assert.rejects(look(running), { code: 'file.unwritable' });
  assert.equal(await isExpired(), true);
});

test('the store holds nothing by which the token could be written down again', async () => {
  const { etcd, tokens } = station();
  const { token } = await tokens.create({ ttlSeconds: 60, uses: 1 });
  const all = JSON.stringify((await etcd.range('', { prefix: true })).kvs);
  assert.ok(!all.includes(token.split('.')[1] ?? ''));
});

test('no key is handed out while it is being changed, nor to who came with the key itself', async () => {
  const { tokens, rotating, join, answer } = station();
  const { token } = await tokens.create({ ttlSeconds: 60, uses: 1 });
  rotating.now = true;
  await assert.rejects(join(token, 'a'), { evidence: /is being changed/ });
  rotating.now = false;
  assert.ok('refused' in (await answer(undefined, 'a')));
  await join(token, 'a');
});

test('an answer that is none is refused, whatever it is', async () => {
  const token = tokenText(makeToken(randomBytes));
  const zero = { clusterKey: Buffer.alloc(32).toString('base64'), clusterName: 'lab' };
  for (const answer of [undefined, null, 1, [], {}, zero, { ...zero, clusterKey: 'x' }, { refused: {} }]) {
    await assert.rejects(
      enrol(token, { address: '::1', port: 1 }, async () => ({ answer })),
      { code: 'enrol.refused' },
    );
  }
  await assert.rejects(
    enrol('short', { address: '::1', port: 1 }, async () => ({})),
    { code: 'enrol.bad-token' },
  );
});

test('evicting is noted once, works although gossip cannot prune, and is undone by readmitting', async () => {
  const etcd = createMemoryEtcd();
  const deps = {
    etcd,
    self: () => 'me',
    now: () => new Date(START),
    forceLeave: async () => Promise.reject(SERF_IS_AWAY),
  };
  await assert.rejects(evict(deps, 'me'), { code: 'evict.self' });
  assert.match((await evict(deps, 'you')).note ?? '', /key rotate/);
  assert.match((await evict(deps, 'you')).done, /before/);
  assert.deepEqual(etcd.keys(), ['/clusteros/v1/evicted/you']);
  await readmit(deps, 'you');
  assert.deepEqual(etcd.keys(), []);
  await assert.rejects(readmit(deps, 'you'), { code: 'readmit.not-evicted' });
});

test('evicting tells of the tokens that the node may have read, and ends them when told to', async () => {
  const { etcd, tokens } = station();
  const deps = { etcd, self: () => 'me', now: () => new Date(START), forceLeave: async () => {} };
  await tokens.create({ ttlSeconds: 3600, uses: 1 });
  await tokens.create({ ttlSeconds: 3600, uses: 1 });
  assert.match((await evict(deps, 'you')).note ?? '', /^2 enrolment tokens .*token revoke/m);
  // Also on second thoughts: the node was evicted before.
  assert.match(
    (await evict(deps, 'you', { revokeTokens: true })).note ?? '',
    /^Revoked: 2 enrolment tokens\./m,
  );
  assert.deepEqual(await tokens.list(), []);
  assert.doesNotMatch((await evict(deps, 'they')).note ?? '', /token/);
});
