import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { makeSandbox, type Sandbox } from '../../agent/testing/sandbox.ts';
import { openCache } from '../cache.ts';
import { assertRecorded, type BuiltAgent, buildAgent, V8_FLAGS } from './bundle.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'bundle-test.'));
let agent: BuiltAgent;

before(async () => {
  agent = await buildAgent({ arch: 'x64', cache: await openCache(path.join(folder, 'one')) });
});
after(() => rmSync(folder, { recursive: true, force: true }));

function call(sandbox: Sandbox, ...argv: string[]) {
  return spawnSync(agent.file, argv, { env: sandbox.environment, encoding: 'utf8', timeout: 30_000 });
}

/** Never with a key: with one it would make this machine a node of a cluster. */
function start(t: TestContext, sandbox: Sandbox, more: Record<string, string> = {}): ChildProcess {
  const child = spawn(agent.file, ['start'], {
    env: { ...sandbox.environment, ...more },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr?.resume();
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  for (const deadline = performance.now() + 30_000; performance.now() < deadline; await delay(50)) {
    const seen = look();
    if (seen !== undefined) return seen;
  }
  throw new Error(`waited 30 s for ${what}`);
}

test('two builds in different folders, at once or later, have the same bytes', async () => {
  const cache = await openCache(path.join(folder, 'two', 'elsewhere'));
  const [one, two] = await Promise.all([
    buildAgent({ arch: 'x64', cache }),
    buildAgent({ arch: 'x64', cache }),
  ]);
  assert.deepEqual([one.sha256, two.sha256], [agent.sha256, agent.sha256]);
  assert.equal(one.file, two.file);
  assert.deepEqual(readdirSync(path.join(cache.folder, 'agent')).length, 1);
  assert.deepEqual(halfMade(cache.folder), []);
  assert.ok((await buildAgent({ arch: 'x64', cache })).cached);
});

for (const [name, damage] of [
  ['is truncated', (file: string) => truncateSync(file, 1_000_000)],
  ['has one other byte in its middle', alterMiddle],
] as const) {
  test(`an agent in the cache that ${name} is found out and built again`, async () => {
    const cache = await openCache(path.join(folder, 'two', 'elsewhere'), () => {});
    const { file } = await buildAgent({ arch: 'x64', cache });
    damage(file);
    const again = await buildAgent({ arch: 'x64', cache });
    assert.deepEqual([again.cached, again.sha256], [false, agent.sha256]);
    assert.ok((await buildAgent({ arch: 'x64', cache })).cached);
  });
}

test('a build that is stopped leaves nothing behind', async () => {
  const cache = await openCache(path.join(folder, 'stopped'));
  const controller = new AbortController();
  const building = buildAgent({
    arch: 'x64',
    cache,
    signal: controller.signal,
    onProgress: (step) => step.startsWith('making') && setTimeout(() => controller.abort(), 100),
  });
  await assert.rejects(building, { code: 'interrupted' });
  assert.deepEqual(await cache.list(), []);
  assert.deepEqual(halfMade(cache.folder), []);
});

function halfMade(cacheFolder: string): string[] {
  return readdirSync(path.join(cacheFolder, 'work')).filter((name) => !name.endsWith('.use'));
}

function alterMiddle(file: string): void {
  const handle = openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  const middle = Math.floor(statSync(file).size / 2);
  readSync(handle, byte, 0, 1, middle);
  writeSync(handle, Buffer.from([byte.readUInt8() ^ 1]), 0, 1, middle);
  closeSync(handle);
}

test('a Node that is not the recorded one never gets into an agent', async () => {
  const other = path.join(folder, 'other-node');
  writeFileSync(other, 'another program');
  await assert.rejects(assertRecorded(other, '0'.repeat(64)), { code: 'agent.node', exit: 'untrusted' });
});

test('the executable holds no path of the machine that built it', () => {
  const bytes = readFileSync(agent.file);
  for (const text of [path.resolve(import.meta.dirname, '../..'), folder])
    assert.equal(bytes.indexOf(text), -1, text);
  assert.equal(statSync(agent.file).mode & 0o777, 0o755);
});

test('V8 takes the compiled code that the executable brings', (t) => {
  assert.equal(call(makeSandbox(t), 'version').stderr, '');
});

test("no flag of the agent makes V8 refuse the compiled code of Node's own modules", () => {
  const flagsIn = (flags: readonly string[]) =>
    spawnSync(process.execPath, [...flags, '--print', FLAG_HASH], { encoding: 'utf8' }).stdout;
  assert.match(flagsIn([]), /^\d+\n$/);
  assert.equal(flagsIn(V8_FLAGS), flagsIn([]));
  assert.notEqual(flagsIn(['--no-opt']), flagsIn([]));
});

/** The fourth word of a code cache (V8's SerializedCodeData) is a hash of the flags that count. */
const FLAG_HASH = 'new vm.Script("1").createCachedData().readUInt32LE(12)';

test('it says its version, and makes one identity however often it is initialised', (t) => {
  const sandbox = makeSandbox(t);
  assert.equal(JSON.parse(call(sandbox, 'version', '--json').stdout).version, agent.version);
  const ids = [1, 2].map(() => JSON.parse(call(sandbox, 'init', '--json').stdout).id);
  assert.equal(ids[0], ids[1]);
  assert.equal(call(sandbox, 'nonsense').status, 2);
  assert.equal(call(sandbox, 'status').status, 6);
});

test('it starts, answers over its socket, refuses to run twice, and ends by SIGTERM with exit code 0', async (t) => {
  const sandbox = makeSandbox(t);
  const child = start(t, sandbox);
  const status = await until('an agent that waits for a key', () => {
    const { status: code, stdout } = call(sandbox, 'status', '--json');
    const answer = code === 0 ? JSON.parse(stdout) : undefined;
    return answer?.state === 'waiting' ? answer : undefined;
  });
  assert.equal(status.pid, child.pid);
  assert.equal(call(sandbox, 'start').status, 7);
  const asked = performance.now();
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  assert.ok(performance.now() - asked < 2_000);
  assert.ok(!existsSync(sandbox.paths.socket));
});

test('killed at any moment of its first start it keeps the identity that it once showed', async (t) => {
  for (const ms of [0, 15, 30, 40, 50, 60, 70, 80, 90, 110, 140, 200]) {
    const sandbox = makeSandbox(t);
    const child = start(t, sandbox);
    await delay(ms);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const file = path.join(sandbox.paths.state, 'identity.json');
    const shown = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).id : undefined;
    const after = call(sandbox, 'init', '--json');
    assert.equal(after.status, 0, `killed after ${ms} ms: ${after.stderr}`);
    if (shown !== undefined) assert.equal(JSON.parse(after.stdout).id, shown, `killed after ${ms} ms`);
    assert.deepEqual(
      readdirSync(sandbox.paths.state).filter((name) => name.endsWith('.tmp')),
      [],
    );
  }
});

const DEAF = `import socket,sys,time
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("bound",flush=True); time.sleep(60)
`;

const RECEIVER = `import os,socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("bound",flush=True)
while True:
    data,anc,_,_=s.recvmsg(4096,socket.CMSG_SPACE(64))
    for level,kind,fds in anc:
        if kind==socket.SCM_RIGHTS:
            [os.close(fd) for fd in __import__("array").array("i",fds[:4])]
    print(data.decode(),flush=True)
`;

const canListen = spawnSync('python3', ['--version']).status === 0;

test('systemd is told when it is ready, alive and stopping', {
  skip: canListen ? false : 'needs python3',
}, async (t) => {
  const sandbox = makeSandbox(t);
  const socket = path.join(sandbox.folder, 'notify');
  const receiver = spawn('python3', ['-c', RECEIVER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => receiver.kill('SIGKILL'));
  let heard = '';
  receiver.stdout.on('data', (chunk) => {
    heard += chunk;
  });
  await until('the receiver', () => (heard.includes('bound') ? true : undefined));
  const child = start(t, sandbox, { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000' });
  for (const word of ['READY=1', 'STATUS=waiting for a cluster key', 'WATCHDOG=1']) {
    await until(`${word} in ${JSON.stringify(heard)}`, () => (heard.includes(word) ? true : undefined));
  }
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  await until('STOPPING=1', () => (heard.includes('STOPPING=1') ? true : undefined));
});

test('a service manager that does not listen delays neither the work nor the end', {
  skip: canListen ? false : 'needs python3',
}, async (t) => {
  const sandbox = makeSandbox(t);
  const socket = path.join(sandbox.folder, 'notify');
  const deaf = spawn('python3', ['-c', DEAF, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => deaf.kill('SIGKILL'));
  await once(deaf.stdout, 'data');
  const child = start(t, sandbox, { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '1000000' });
  await until('an answer', () => (call(sandbox, 'status').status === 0 ? true : undefined));
  const asked = performance.now();
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  assert.ok(performance.now() - asked < 2_000);
});
