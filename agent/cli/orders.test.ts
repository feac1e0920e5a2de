import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Snapshot } from '../api/routes.ts';
import { serveApi } from '../api/server.ts';
import { AgentError } from '../errors.ts';
import type { EvictWish, LabelWish, MoveTarget, Operations, TokenView } from '../operations/operations.ts';
import { makeSandbox } from '../testing/sandbox.ts';
import { createProgram } from './program.ts';

const [OLD, NEW] = ['A'.repeat(43), 'B'.repeat(43)];
const MEMBERS = [
  { id: OLD, name: 'n2', self: false, status: 'left' },
  {
    ...{ id: NEW, name: 'n2', self: false, status: 'alive' },
    ...{ meshAddress: '10.42.1.2', lanAddress: '192.168.1.2', labels: { disk: 'ssd', gpu: '' } },
  },
];

const OVER = { id: 'abc', expires: '2001-01-01T00:00:00Z', expired: true, usesLeft: 2, note: undefined };
const TOKENS: readonly TokenView[] = [OVER];
const LIVE: readonly TokenView[] = [
  { ...OVER, id: 'over' },
  { ...OVER, id: 'used', expired: false, usesLeft: 0 },
  { ...OVER, id: 'live', expired: false },
];

/** An agent that only writes down what it is told, and the command line before it. */
async function station(t: TestContext, answer: string | undefined = undefined, tokens = TOKENS) {
  const { environment, paths, put } = makeSandbox(t);
  const asked: unknown[] = [];
  const wishes: (EvictWish | undefined)[] = [];
  const operations = {
    leave: async () => asked.push('leave') && { done: 'left', note: 'come back soon' },
    reset: async () => asked.push('reset') && { done: 'forgotten' },
    join: async (address: string) => asked.push(address) && { done: `asks ${address}` },
    forgetJoin: async (address: string) => ({ done: `forgets ${address}` }),
    recover: async (wish: { snapshot?: string }) =>
      asked.push(wish) && { done: `begun from ${path.basename(wish.snapshot ?? 'the newest')}` },
    revokeToken: async (id: string) => asked.push(id) && { done: 'revoked' },
    evict: async (id: string, wish?: EvictWish) => asked.push(id) && wishes.push(wish) && { done: 'evicted' },
    label: async (id: string, { changes, reset }: LabelWish) =>
      asked.push({ id, changes, reset }) && { done: 'labelled' },
    moveRole: async (role: string, { id, name, status }: MoveTarget) =>
      asked.push([role, id, name, status]) && { done: 'moved' },
    listTokens: async () => tokens,
    createToken: async (wish: { uses: number }) => ({
      id: 'a',
      token: 'a.b',
      expires: 'soon',
      uses: wish.uses,
    }),
  } as unknown as Operations;
  const listener = await serveApi(
    paths,
    () => ({ status: {}, info: {}, view: { members: MEMBERS } }) as unknown as Snapshot,
    {
      operations,
      events: {
        since: async () => [
          { at: '2026-01-01T00:00:00Z', seq: 1, kind: 'member.failed', summary: 'x failed' },
        ],
        follow: async function* () {},
      },
    },
  );
  t.after(() => listener.close());
  let out = '';
  const program = createProgram({
    environment,
    paths,
    // Whoever reads has enough with the first line: an agent is followed for ever.
    print: (_stream, text) => {
      out += text;
      return false;
    },
    asker: { isInteractive: () => answer !== undefined, askLine: async () => answer ?? '' },
  });
  const run = async (...argv: string[]) => {
    out = '';
    await program(argv);
    return out;
  };
  return { run, asked, wishes, put };
}

test('without a terminal what is dangerous is refused, with the command that does it', async (t) => {
  const { run, asked } = await station(t);
  for (const argv of [
    ['leave'],
    ['reset'],
    ['recover', '--force-new-cluster'],
    ['evict', 'n2'],
    ['key', 'rotate'],
  ]) {
    await assert.rejects(run(...argv), { code: 'confirm.needed', exit: 'usage', fix: /--yes$/ });
  }
  assert.deepEqual(asked, []);
  assert.equal(await run('leave', '--yes'), 'left\ncome back soon\n');
  assert.deepEqual(JSON.parse(await run('reset', '-y', '--json')), { done: 'forgotten' });
  assert.deepEqual(asked, ['leave', 'reset']);
});

test('on a terminal only a yes goes on', async (t) => {
  const no = await station(t, 'maybe');
  await assert.rejects(no.run('leave'), { code: 'confirm.declined', exit: 'notDone' });
  assert.deepEqual(no.asked, []);
  const yes = await station(t, ' Yes ');
  assert.match(await yes.run('leave'), /hand over its roles[\s\S]*left/);
  assert.deepEqual(yes.asked, ['leave']);
});

test('evict finds the node before it asks, and asks with its name, id and addresses', async (t) => {
  for (const node of ['n3', '']) {
    const typo = await station(t, 'yes');
    await assert.rejects(typo.run('evict', node), { code: 'node.unknown', exit: 'usage' });
    await assert.rejects(typo.run('evict', node, '--yes'), { code: 'node.unknown' });
    assert.deepEqual(typo.asked, []);
  }
  const no = await station(t, 'no');
  await assert.rejects(no.run('evict', 'n2'), { code: 'confirm.declined' });
  assert.deepEqual(no.asked, []);
  const yes = await station(t, 'y');
  const text = await yes.run('evict', 'n2');
  assert.match(
    text,
    new RegExp(`^n2 \\(${NEW}, 10\\.42\\.1\\.2, 192\\.168\\.1\\.2, alive\\) will be removed`),
  );
  assert.deepEqual(yes.asked, [NEW]);
  assert.match(await yes.run('evict', OLD.slice(0, 6), '--yes'), /^evicted/);
  assert.deepEqual(yes.asked, [NEW, OLD]);
});

test('evict lists the live tokens and offers to revoke them, and a script says so by a flag', async (t) => {
  const yes = await station(t, 'y', LIVE);
  const text = await yes.run('evict', 'n2');
  assert.match(text, /Enrolment tokens that still let machines in[\s\S]*\nlive /);
  assert.doesNotMatch(text, /\n(over|used) /);
  assert.deepEqual(yes.wishes, [{ name: 'n2', revokeTokens: true }]);
  await yes.run('evict', 'n2', '--yes');
  await yes.run('evict', 'n2', '--yes', '--revoke-tokens');
  assert.deepEqual(
    yes.wishes.map((wish) => wish?.revokeTokens),
    [true, undefined, true],
  );
});

test('recover wants exactly one of its two ways, and takes a file or none', async (t) => {
  const { run, asked } = await station(t);
  for (const argv of [
    ['recover', '-y'],
    ['recover', '-y', '--from-snapshot', '--force-new-cluster'],
  ]) {
    await assert.rejects(run(...argv), (error) => error instanceof AgentError && error.exit === 'usage');
  }
  await run('recover', '--yes', '--from-snapshot');
  await run('recover', '--yes', '--force-new-cluster');
  assert.deepEqual(asked, [{ mode: 'from-snapshot' }, { mode: 'force-new-cluster' }]);
});

test('a snapshot to recover from may lie where the agent cannot read, and is named before a yes', async (t) => {
  const { run, asked, put } = await station(t);
  const [inside, outside] = [put('state/snapshots/s.db', 'data'), put('home/s.db', 'data')];
  const missing = run('recover', '--yes', '--from-snapshot', `${outside}.old`);
  await assert.rejects(missing, { code: 'recover.no-snapshot', exit: 'usage' });
  await run('recover', '--yes', '--from-snapshot', inside);
  assert.equal(
    await run('recover', '--yes', '--from-snapshot', path.relative('.', outside)),
    'begun from s.db\n',
  );
  assert.deepEqual(asked[0], { mode: 'from-snapshot', snapshot: inside });
  const { snapshot: copy } = asked[1] as { snapshot: string };
  assert.match(copy, /\/state\/recover-from\.db\.\d+\.[0-9a-f]{12}\.tmp$/, 'as leftovers are named');
  assert.ok(!existsSync(copy), 'the copy is gone');
});

test('tokens are made with limits, listed without secrets, and revoked by id or whole text', async (t) => {
  const { run, asked } = await station(t);
  assert.match(await run('token', 'create', '--uses', '3'), /^a\.b\nIt lets 3 machines in/);
  assert.match(await run('token', 'list'), /abc {4}2 {10}expired 2001/);
  await run('token', 'revoke', 'abc.secret');
  assert.deepEqual(asked, ['abc']);
  await assert.rejects(run('token', 'create', '--ttl', 'ever'), { exit: 'usage' });
  await assert.rejects(run('token', 'create', '--uses', '0'), { exit: 'usage' });
  await assert.rejects(run('token', 'lisst'), { exit: 'usage' });
});

test('join sends its address, events print one line each', async (t) => {
  const { run } = await station(t);
  assert.equal(await run('join', '[2001:db8::7]:7947'), 'asks [2001:db8::7]:7947\n');
  assert.equal(await run('join', '--forget', '192.0.2.7'), 'forgets 192.0.2.7\n');
  assert.match(await run('events'), /^2026-01-01T00:00:00Z {2}member\.failed {6}x failed\n$/);
  assert.equal(JSON.parse(await run('events', '-f', '--json')).seq, 1);
});

test('key show prints what a seed takes, and only after a yes', {
  skip: process.getuid?.() !== 0,
}, async (t) => {
  const { run, put } = await station(t);
  const key = Buffer.alloc(32, 7).toString('base64');
  await assert.rejects(run('key', 'show', '-y'), { code: 'key.none' });
  put('state/cluster.key', `${key}\n`);
  await assert.rejects(run('key', 'show'), { code: 'confirm.needed' });
  assert.equal(await run('key', 'show', '--yes'), `${key}\n`);
});

test('label shows the labels of a node, and changes them only by words that are changes', async (t) => {
  const { run, asked } = await station(t);
  assert.equal(await run('label', 'n2'), 'disk=ssd gpu=\n');
  assert.deepEqual(JSON.parse(await run('label', 'n2', '--json')).labels, { disk: 'ssd', gpu: '' });
  for (const word of ['disk', 'Disk=ssd', '-', '=ssd', 'disk=a b', 'a=b=c', '__proto__=x']) {
    await assert.rejects(run('label', 'n2', 'rack=7', word), { code: 'label.wrong', exit: 'usage' }, word);
  }
  await assert.rejects(run('label', 'n9', 'rack=7'), { code: 'node.unknown' });
  assert.deepEqual(asked, []);
  assert.equal(await run('label', 'n2', 'rack=7', 'gpu-', 'empty='), 'labelled\n');
  await run('label', NEW, '--reset');
  assert.deepEqual(asked, [
    { id: NEW, changes: { rack: '7', gpu: null, empty: '' }, reset: undefined },
    { id: NEW, changes: {}, reset: true },
  ]);
});

test('role move says which node is meant, and leaves it to the agent which roles there are', async (t) => {
  const { run, asked } = await station(t);
  await assert.rejects(run('role', 'move', 'page', 'n9'), { code: 'node.unknown', exit: 'usage' });
  assert.equal(await run('role', 'move', 'page', 'n2'), 'moved\n');
  await run('role', 'move', 'p'.repeat(40), NEW);
  assert.deepEqual(asked, [
    ['page', NEW, 'n2', 'alive'],
    ['p'.repeat(40), NEW, 'n2', 'alive'],
  ]);
});
