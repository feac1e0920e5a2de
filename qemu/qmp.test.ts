import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { after, test } from 'node:test';
import { files } from '../build/host.ts';
import { parseQmp, Qmp } from './qmp.ts';
import { listenAt } from './socket.ts';

// A stand-in for QEMU's side of the protocol; machine.test.ts speaks with the real one.
const folder = await files.makeWorkFolder(tmpdir(), 'cosqmp');
after(() => files.remove(folder));
let sockets = 0;

/** `answer` gets each command as parsed JSON and returns what to send back, as text. */
async function pair(
  greeting: string,
  answer: (command: { execute: string; id: number }) => string | undefined,
) {
  const meeting = await listenAt(path.join(folder, `${++sockets}`));
  const qemu = connect(meeting.path);
  qemu.write(greeting);
  qemu.on('data', (chunk) => {
    for (const line of chunk.toString().trim().split('\n')) {
      const text = answer(JSON.parse(line));
      if (text !== undefined) qemu.write(text);
    }
  });
  return { socket: await meeting.next(), qemu, end: () => meeting.close() };
}

const GREETING = '{"QMP":{"version":{"qemu":{"major":7}},"capabilities":[]}}\r\n';

test('events between a command and its answer are not taken for the answer', async () => {
  const { socket, end } = await pair(
    GREETING,
    ({ id }) =>
      `{"event":"RESET","data":{"guest":true},"timestamp":{}}\r\n{"return":{"status":"running"},"id":${id}}\r\n`,
  );
  const qmp = await Qmp.open(socket, 2_000);
  assert.deepEqual(await qmp.execute('query-status'), { status: 'running' });
  assert.deepEqual(qmp.events[0], { event: 'RESET', data: { guest: true } });
  await end();
});

test('a refusal carries the reason of QEMU', async () => {
  const { socket, end } = await pair(GREETING, ({ execute, id }) =>
    execute === 'qmp_capabilities'
      ? `{"return":{},"id":${id}}\n`
      : `{"error":{"class":"CommandNotFound","desc":"no fly"},"id":${id}}\n`,
  );
  const qmp = await Qmp.open(socket, 2_000);
  await assert.rejects(qmp.execute('fly'), { code: 'qmp.refused', message: /fly: CommandNotFound: no fly/ });
  await end();
});

test('a command without an answer fails in time, and its late answer harms nothing', async () => {
  let late = '';
  const { socket, qemu, end } = await pair(GREETING, ({ execute, id }) => {
    if (execute === 'slow') late = `{"return":"late","id":${id}}\n`;
    return execute === 'slow' ? undefined : `{"return":"prompt","id":${id}}\n`;
  });
  const qmp = await Qmp.open(socket, 2_000);
  await assert.rejects(qmp.execute('slow', {}, 50), { code: 'qmp.timeout' });
  qemu.write(late);
  assert.equal(await qmp.execute('quick', {}, 2_000), 'prompt');
  await end();
});

test('the end of QEMU ends the commands that wait', async () => {
  const { socket, qemu, end } = await pair(GREETING, ({ execute, id }) =>
    execute === 'qmp_capabilities' ? `{"return":{},"id":${id}}\n` : undefined,
  );
  const qmp = await Qmp.open(socket, 2_000);
  const asked = qmp.execute('stop');
  qemu.destroy();
  await assert.rejects(asked, { code: 'qmp.closed' });
  await assert.rejects(qmp.execute('cont'), { code: 'qmp.closed' });
  await end();
});

test('a peer that does not greet is given up in time', async () => {
  const { socket, end } = await pair('', () => undefined);
  await assert.rejects(Qmp.open(socket, 50), { code: 'qmp.timeout' });
  await end();
});

test('what is no message of the protocol is passed over', () => {
  for (const line of ['', '{', 'null', '7', '{"return":{}}', '[]'])
    assert.equal(parseQmp(line).kind, 'other', line);
});
