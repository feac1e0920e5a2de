import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AgentError, EXIT_CODES, exitCodeOf } from '../errors.ts';
import { makeSandbox, type Sandbox } from '../testing/sandbox.ts';
import { COMMANDS } from './commands.ts';
import { createProgram } from './program.ts';

async function call(
  { environment, paths }: Sandbox,
  ...argv: string[]
): Promise<{ code: number; out: string; error?: AgentError }> {
  let out = '';
  const program = createProgram({
    environment,
    paths,
    print: (_stream, text) => {
      out += text;
    },
  });
  try {
    return { code: await program(argv), out };
  } catch (error) {
    assert.ok(error instanceof AgentError, String(error));
    return { code: exitCodeOf(error), out, error };
  }
}

async function initialised(t: TestContext): Promise<[Sandbox, { id: string }]> {
  const sandbox = makeSandbox(t);
  return [sandbox, JSON.parse((await call(sandbox, 'init', '--json')).out)];
}

test('init run twice says the same identity, new the first time only', async (t) => {
  const sandbox = makeSandbox(t);
  sandbox.seed('cluster.key', Buffer.alloc(32, 1).toString('base64'));
  const [first, second] = [await call(sandbox, 'init', '--json'), await call(sandbox, 'init', '--json')];
  assert.deepEqual([first.code, second.code], [0, 0]);
  assert.deepEqual({ ...JSON.parse(first.out), isNew: false }, JSON.parse(second.out));
  assert.match((await call(sandbox, 'init')).out, /has its identity already[\s\S]*cluster.key: taken/);
});

test('init fails with exit code 2 on bad settings, and says where', async (t) => {
  const sandbox = makeSandbox(t);
  sandbox.put('etc/node.yaml', 'name: [3]\nnmae: x\n');
  const { code, error } = await call(sandbox, 'init');
  assert.equal(code, 2);
  assert.match(error?.evidence ?? '', /node\.yaml:1:1[\s\S]*node\.yaml:2:1/);
});

test('init fails with exit code 3 on an identity that it does not trust', async (t) => {
  const sandbox = makeSandbox(t);
  sandbox.put('state/identity.json', '{}');
  assert.equal((await call(sandbox, 'init')).code, 3);
});

test('status without an agent says so by exit code 6, info still works from the disk', async (t) => {
  const [sandbox, { id }] = await initialised(t);
  const status = await call(sandbox, 'status');
  assert.equal(status.code, 6);
  assert.match(status.error?.fix ?? '', /systemctl status node-agent/);
  assert.equal(JSON.parse((await call(sandbox, 'info', '--json')).out).identity.id, id);
  assert.equal((await call(makeSandbox(t), 'info')).code, 6);
});

test('an unknown command or option is exit code 2, with the nearest word', async (t) => {
  const sandbox = makeSandbox(t);
  const { code, error } = await call(sandbox, 'statsu');
  assert.equal(code, 2);
  assert.match(error?.message ?? '', /status/);
  assert.equal((await call(sandbox, 'init', '--jsn')).code, 2);
  assert.equal((await call(sandbox, 'init', 'extra')).code, 2);
});

test('a word that only stands for others says which, and a mistake names the help of its command', async (t) => {
  const sandbox = makeSandbox(t);
  const { code, error } = await call(sandbox, 'token');
  assert.equal(code, 2);
  assert.equal(error?.message, 'token what? token create, token list, token revoke');
  assert.equal(error?.fix, 'node-agent token --help');
  assert.equal((await call(sandbox, 'token', 'frob')).error?.fix, 'node-agent token --help');
  assert.equal((await call(sandbox, 'token', 'revoke')).error?.fix, 'node-agent token revoke --help');
  assert.equal((await call(sandbox, 'members', 'x')).error?.fix, 'node-agent members --help');
  assert.equal((await call(sandbox, '--frob')).error?.fix, 'node-agent --help');
  assert.match((await call(sandbox, '--version')).out, /^\S+\n$/);
});

test('each help has examples and every exit code', async (t) => {
  const sandbox = makeSandbox(t);
  for (const { name } of COMMANDS) {
    const { code, out } = await call(sandbox, ...name.split(' '), '--help');
    assert.equal(code, 0);
    assert.match(out, /Examples:\n/);
    for (const row of Object.values(EXIT_CODES))
      assert.ok(out.includes(row.meaning), `${name}: ${row.meaning}`);
  }
  assert.match((await call(sandbox)).out, /init[\s\S]*start[\s\S]*status[\s\S]*info[\s\S]*version/);
});
