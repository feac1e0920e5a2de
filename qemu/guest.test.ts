import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { files } from '../build/host.ts';
import { Guest } from './guest.ts';
import { GuestChannel } from './guest-channel.ts';
import { listenAt } from './socket.ts';

// A stand-in that speaks the guest agent's protocol; the integration tests speak with the real one.
const folder = await files.makeWorkFolder(tmpdir(), 'cosqga');
after(() => files.remove(folder));
let sockets = 0;

interface Request {
  readonly execute: string;
  readonly arguments: Record<string, unknown>;
  readonly id?: number;
}
type Answer = { return?: unknown; error?: unknown } | undefined;

/** An agent on a fresh stream. `before` is garbage that stands in the stream ahead of all else. */
async function agent(answer: (request: Request, socket: Socket) => Answer, before: string | Buffer = '') {
  const meeting = await listenAt(path.join(folder, `${++sockets}`));
  const side = connect(meeting.path);
  if (before.length > 0) side.write(before);
  side.on('data', (chunk) => {
    for (const line of Buffer.from(chunk).toString('latin1').replaceAll('\xff', '').trim().split('\n')) {
      const request = JSON.parse(line) as Request;
      const reply = answer(request, side);
      const mark = request.execute === 'guest-sync-delimited' ? '\xff' : '';
      const id = request.id === undefined ? {} : { id: request.id };
      if (reply) side.write(Buffer.from(`${mark}${JSON.stringify({ ...reply, ...id })}\n`, 'latin1'));
    }
  });
  return { socket: await meeting.next(), side, end: () => meeting.close() };
}

const inStep = (request: Request): Answer =>
  request.execute === 'guest-sync-delimited' ? { return: request.arguments.id } : undefined;
const base64 = (text: string) => Buffer.from(text).toString('base64');

function execAgent(outcome: Record<string, unknown>, polls = 2) {
  const seen: Request[] = [];
  const answer = (request: Request): Answer => {
    seen.push(request);
    if (request.execute === 'guest-exec') return { return: { pid: 42 } };
    if (request.execute === 'guest-exec-status') return { return: --polls > 0 ? { exited: false } : outcome };
    return inStep(request);
  };
  return { answer, seen };
}

test('a program is run with its arguments as they are, and its output and exit code come back', async () => {
  const { answer, seen } = execAgent({
    exited: true,
    exitcode: 3,
    'out-data': base64('grüße\n'),
    'err-data': base64('bad'),
  });
  const { socket, end } = await agent(answer);
  const guest = new Guest();
  guest.attach(socket);
  const result = await guest.run(['/bin/x', 'a b', '$HOME', '"'], { input: 'in', env: { A: 'b' } });
  assert.deepEqual(result, { stdout: 'grüße\n', stderr: 'bad', exitCode: 3 });
  assert.deepEqual(seen.find(({ execute }) => execute === 'guest-exec')?.arguments, {
    path: '/bin/x',
    arg: ['a b', '$HOME', '"'],
    'capture-output': true,
    'input-data': base64('in'),
    env: ['A=b'],
  });
  await end();
});

test('an end by a signal is an exit code above 128', async () => {
  const { socket, end } = await agent(execAgent({ exited: true, signal: 9 }).answer);
  const guest = new Guest();
  guest.attach(socket);
  assert.equal((await guest.run(['x'])).exitCode, 137);
  await end();
});

test('a program that does not end is killed in the guest, in time', async () => {
  const { answer, seen } = execAgent({}, Number.POSITIVE_INFINITY);
  const { socket, end } = await agent(answer);
  const guest = new Guest();
  guest.attach(socket);
  await assert.rejects(guest.run(['sleep', '9'], { timeoutMs: 50 }), { code: 'guest.timeout' });
  assert.deepEqual(seen.at(-1)?.arguments, { path: 'kill', arg: ['-KILL', '42'] });
  await end();
});

test('garbage, half answers and answers to forgotten questions in the stream do no harm', async () => {
  const rubbish = Buffer.from('\x00\x01boot log\n{"return": 12345}\n{"ret\n{"return": {}, "id": 1', 'latin1');
  const { socket, end } = await agent((request) => inStep(request) ?? { return: 'pong' }, rubbish);
  const guest = new Guest();
  guest.attach(socket);
  assert.equal(await guest.answers(2_000), true);
  await end();
});

test('an agent that comes late is found by asking again', async () => {
  let asked = 0;
  const { socket, end } = await agent((request) => {
    if (request.execute === 'guest-sync-delimited' && ++asked === 1) return undefined;
    return inStep(request) ?? { return: {} };
  });
  const guest = new Guest();
  guest.attach(socket);
  assert.equal(await guest.answers(8_000), true);
  assert.equal(asked, 2);
  await end();
});

test('after silence the stream is brought into step again before the next question', async () => {
  const asked: string[] = [];
  const { socket, end } = await agent((request) => {
    asked.push(request.execute);
    return request.execute === 'lost' ? undefined : (inStep(request) ?? { return: 'ok' });
  });
  const channel = new GuestChannel();
  channel.attach(socket);
  await assert.rejects(
    channel.exchange(50, (talk) => talk('lost', {})),
    { code: 'guest.silent' },
  );
  assert.equal(await channel.exchange(2_000, (talk) => talk('next', {})), 'ok');
  assert.deepEqual(asked, ['guest-sync-delimited', 'lost', 'guest-sync-delimited', 'next']);
  await end();
});

test('the end of the machine ends a command at once; a new start takes over', async () => {
  const heard = Promise.withResolvers<void>();
  const first = await agent((request) => {
    if (request.execute === 'guest-exec') heard.resolve();
    return inStep(request);
  });
  const guest = new Guest();
  guest.attach(first.socket);
  const asked = guest.run(['x']);
  asked.catch(() => undefined);
  await heard.promise;
  first.side.destroy();
  await assert.rejects(asked, { code: 'guest.unreachable' });
  await assert.rejects(guest.run(['x']), { code: 'guest.unreachable' });
  const second = await agent(execAgent({ exited: true, exitcode: 0 }).answer);
  guest.attach(second.socket);
  assert.equal((await guest.run(['x'])).exitCode, 0);
  await Promise.all([first.end(), second.end()]);
});

test('a refusal says what the agent said', async () => {
  const error = { class: 'GenericError', desc: 'Failed to execute child process' };
  const { socket, end } = await agent((request) => inStep(request) ?? { error });
  const guest = new Guest();
  guest.attach(socket);
  await assert.rejects(guest.run(['nope']), {
    code: 'guest.refused',
    message: /Failed to execute child process/,
  });
  await end();
});

test('files are read and written in pieces', async () => {
  const stored: Buffer[] = [];
  const content = Buffer.alloc(3_000_000, 'x');
  const reads = [content.subarray(0, 2_000_000), content.subarray(2_000_000)];
  const { socket, end } = await agent((request) => {
    if (request.execute === 'guest-file-open') return { return: 7 };
    if (request.execute === 'guest-file-read') {
      const part = reads.shift() ?? Buffer.alloc(0);
      return { return: { count: part.length, 'buf-b64': part.toString('base64'), eof: reads.length === 0 } };
    }
    if (request.execute === 'guest-file-write') {
      stored.push(Buffer.from(String(request.arguments['buf-b64']), 'base64'));
      return { return: { count: stored.at(-1)?.length } };
    }
    return inStep(request) ?? { return: {} };
  });
  const guest = new Guest();
  guest.attach(socket);
  assert.ok((await guest.readFile('/f')).equals(content));
  await guest.writeFile('/g', 'hello');
  assert.equal(Buffer.concat(stored).toString(), 'hello');
  await end();
});
