import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { type TestContext, test } from 'node:test';
import { readLastKnown, writeLastKnown } from '../api/last-known.ts';
import { statusDocument, viewOf } from '../api/view.ts';
import { AgentError, exitCodeOf } from '../errors.ts';
import { unixSocket } from '../host.ts';
import type { Status } from '../status.ts';
import { makeSandbox, type Sandbox } from '../testing/sandbox.ts';
import { IDS, scene } from '../testing/scene.ts';
import { createProgram } from './program.ts';

const NODE: Status = {
  state: 'ready',
  since: '2025-12-31T22:00:00.000Z',
  name: 'alpha',
  id: IDS[0],
  version: '1.0.0',
  pid: 700,
  startedAt: '2025-12-31T21:59:58.000Z',
  cluster: { name: 'lab', keyFingerprint: '01234567' },
  conditions: [],
  addresses: [],
  seed: [],
};
const DOCUMENT = statusDocument(NODE, viewOf(scene(), 100_000, new Date()));

async function call({ environment, paths }: Sandbox, ...argv: string[]) {
  const said = { stdout: '', stderr: '' };
  const program = createProgram({
    environment,
    paths,
    print: (stream, text) => {
      said[stream] += text;
    },
  });
  let error: AgentError | undefined;
  const code = await program(argv).catch((thrown: unknown) => {
    assert.ok(thrown instanceof AgentError, String(thrown));
    error = thrown;
    return exitCodeOf(thrown);
  });
  return { code, error, ...said };
}

/** A socket that takes every question and answers none, as an agent on a machine that is much too busy. */
function mute(t: TestContext, socket: string): Promise<void> {
  const held = new Set<net.Socket>();
  const server = net.createServer((connection) => void held.add(connection));
  t.after(() => {
    for (const connection of held) connection.destroy();
    server.close();
  });
  return new Promise((resolve) => server.listen(socket, resolve));
}

test('an agent that does not answer in time: status shows what it last knew, how old, and exits with 6', async (t) => {
  const sandbox = makeSandbox(t);
  mkdirSync(sandbox.paths.run, { recursive: true });
  await mute(t, sandbox.paths.socket);
  await writeLastKnown(sandbox.paths, DOCUMENT, 1_000);
  const { code, stdout, stderr } = await call(sandbox, 'status');
  assert.equal(code, 6);
  assert.match(stdout, /^last known \d+ s ago:\n\nnode +alpha/);
  assert.match(stderr, /did not answer .*within 1 s/);

  const json = JSON.parse((await call(sandbox, 'status', '--json')).stdout);
  assert.equal(json.name, 'alpha');
  assert.equal(json.lastKnown.error.code, 'agent.no-answer');
  assert.ok(json.lastKnown.ageSeconds >= 1 && json.lastKnown.ageSeconds < 60, json.lastKnown.ageSeconds);
});

test('every question waits as long as the agent says that its machine needs', async (t) => {
  const sandbox = makeSandbox(t);
  mkdirSync(sandbox.paths.run, { recursive: true });
  await mute(t, sandbox.paths.socket);
  await writeLastKnown(sandbox.paths, DOCUMENT, 1_000);
  const commands = ['members', 'events', 'info', 'events -f', 'token list', 'snapshot list', 'evict n2'];
  await Promise.all(
    commands.map(async (command) => {
      const { code, error } = await call(sandbox, ...command.split(' '));
      assert.equal(code, 6);
      assert.match(error?.message ?? '', /did not answer .*within 1 s/, command);
    }),
  );
});

test('an agent that was killed: status says that it does not run, and what it last knew', async (t) => {
  const sandbox = makeSandbox(t);
  mkdirSync(sandbox.paths.run, { recursive: true });
  await writeLastKnown(sandbox.paths, DOCUMENT, 5_000);
  const { code, stdout, stderr } = await call(sandbox, 'status');
  assert.equal(code, 6);
  assert.match(stderr, /the agent is not running/);
  assert.match(stdout, /last known \d+ s ago/);
});

test('the last known status is for those who may use the socket, and a damaged one is none', async (t) => {
  const { paths } = makeSandbox(t);
  mkdirSync(paths.run, { recursive: true });
  assert.equal(await readLastKnown(paths), undefined);
  await writeLastKnown(paths, DOCUMENT, 5_000);
  assert.equal(statSync(paths.lastStatus).mode & 0o777, 0o640);
  assert.equal((await readLastKnown(paths))?.status.name, 'alpha');
  const ahead = JSON.parse(readFileSync(paths.lastStatus, 'utf8'));
  writeFileSync(paths.lastStatus, JSON.stringify({ ...ahead, atMs: ahead.atMs + 3_600_000 }));
  assert.equal(await readLastKnown(paths), undefined, 'of before the machine was started again');
  for (const text of ['', '{}', '{"answerMs":1,"atMs":0,"status":{}}', '[1]', 'x'.repeat(100)]) {
    writeFileSync(paths.lastStatus, text);
    assert.equal(await readLastKnown(paths), undefined, text);
  }
});

test('an answer of another version is no internal error, and --json prints it all the same', async (t) => {
  const sandbox = makeSandbox(t);
  mkdirSync(sandbox.paths.run, { recursive: true });
  const answer = { members: [{ who: 'n1' }], state: 'ready' };
  const agent = await unixSocket.listen(sandbox.paths.socket, () => ({ status: 200, body: answer }));
  t.after(() => agent.close());
  for (const command of ['members', 'status', 'events']) {
    const { code, error } = await call(sandbox, command);
    assert.deepEqual([code, error?.code], [6, 'agent.strange-answer'], command);
  }
  assert.deepEqual(JSON.parse((await call(sandbox, 'members', '--json')).stdout), answer);
});
