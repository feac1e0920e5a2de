import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { encode } from '@msgpack/msgpack';
import { connectSerf } from './client.ts';
import { connect } from './connection.ts';
import { createFrameReader } from './frames.ts';

/** Something that speaks like Serf until the commands it is told to answer otherwise. */
async function fakeSerf(t: TestContext, answer: (command: string, seq: number, socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const reader = createFrameReader();
    socket.on('data', (chunk: Buffer) => {
      for (const value of reader.push(chunk)) {
        const { Command, Seq } = value as { Command?: Uint8Array; Seq?: number };
        if (Command === undefined || Seq === undefined) continue;
        const command = Buffer.from(Command).toString();
        if (['handshake', 'auth'].includes(command)) socket.write(encode({ Seq, Error: '' }));
        else answer(command, Seq, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { host: '127.0.0.1', port: address.port, authKey: 'secret' };
}

const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

test('nobody there is told at once', async () => {
  const nobody = { host: '127.0.0.1', port: 1, authKey: '' };
  await assert.rejects(connectSerf(nobody, 1_000), code('gossip.rpc-unreachable'));
});

test('a call that is never answered ends at its deadline', async (t) => {
  const connection = await connect(await fakeSerf(t, () => {}), 1_000);
  await assert.rejects(connection.call('members', undefined, true, 100), code('gossip.rpc-timeout'));
  assert.ok(connection.ended.aborted);
});

test('an error is told with or without a body behind it, and the next answer is understood', async (t) => {
  const endpoint = await fakeSerf(t, (command, seq, socket) => {
    if (command === 'members')
      socket.write(Buffer.concat([encode({ Seq: seq, Error: '' }), encode({ Members: [] })]));
    else socket.write(encode({ Seq: seq, Error: 'no' }));
    if (command === 'join') socket.write(encode({ Num: 0 }));
  });
  const serf = await connectSerf(endpoint);
  for (const refused of [
    () => serf.join(['x']),
    () => serf.forceLeave('x', { prune: true }),
    () => serf.tags({}),
  ]) {
    await assert.rejects(refused(), code('gossip.rpc-refused'));
    assert.deepEqual(await serf.members(), []);
  }
  serf.close();
});

test('garbage, a cut answer and a hang-up end all calls with a reason', async (t) => {
  for (const bytes of [
    Buffer.from([0xc1]),
    Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
    encode(7),
    encode({ Seq: 'x', Error: '' }),
    Buffer.alloc(0),
  ]) {
    const endpoint = await fakeSerf(t, (_command, _seq, socket) => socket.end(bytes));
    const serf = await connectSerf(endpoint);
    await assert.rejects(Promise.all([serf.members(), serf.stats()]), code('gossip.rpc-closed'));
    assert.ok(serf.ended.aborted);
    await assert.rejects(serf.members(), code('gossip.rpc-closed'));
  }
});

test('records of a stream come until it is stopped', async (t) => {
  let stream = 0;
  const record = (seq: number, name: string) =>
    Buffer.concat([
      encode({ Seq: seq, Error: '' }),
      encode({
        Event: 'member-join',
        Members: [{ Name: name, Addr: Buffer.from([1, 2, 3, 4]), Port: 1, Tags: null, Status: 'alive' }],
      }),
    ]);
  const endpoint = await fakeSerf(t, (command, seq, socket) => {
    socket.write(encode({ Seq: seq, Error: '' }));
    if (command === 'stream') {
      stream = seq;
      socket.write(record(stream, 'first'));
    } else socket.write(record(stream, 'late'));
  });
  const serf = await connectSerf(endpoint);
  const names: string[] = [];
  const subscription = await serf.onMemberEvent((_event, members) =>
    names.push(...members.map(({ id }) => id)),
  );
  await subscription.stop(1_000);
  await serf.tags({});
  assert.deepEqual(names, ['first', 'late']);
  serf.close();
});
