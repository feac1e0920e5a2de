import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as plainRequest } from 'node:http';
import * as net from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentError } from '../../errors.ts';
import { peerTls } from '../../host.ts';
import { identityOf, keyOf, signedOf, startPeer } from '../testing/peers.ts';
import { encodeRefused, encodeRequest, introduce } from './envelope.ts';

/** Send a request that a sound agent never makes. */
function craft(
  port: number,
  options: { identity?: number; card?: unknown; padding?: number; stolen?: Buffer; kind?: string } = {},
) {
  const key = keyOf(1);
  const who = identityOf(options.identity ?? 2);
  const standing = { instance: 'ab'.repeat(8), memberMs: 0, duplicate: false };
  return peerTls.call({
    address: '127.0.0.1',
    port,
    identity: `key:${key.fingerprint}`,
    key: key.channel,
    answerBytes: 65_536,
    timeoutMs: 3_000,
    body: (exported) => {
      const said = introduce(who, undefined, standing, 'client', options.stolen ?? exported);
      const card = options.card ?? signedOf(options.identity ?? 2);
      const id = JSON.parse(Buffer.from((card as { body: string }).body, 'base64').toString()).id;
      const body = 'x'.repeat(options.padding ?? 0);
      return encodeRequest({ ...said, id, card, kind: options.kind ?? 'card', body });
    },
  });
}

const reasonIn = (body: Buffer) => JSON.parse(body.toString()) as { refused?: string; code?: string };

test('two holders of the key prove their identities to each other', async (t) => {
  const [a, b] = [await startPeer(t, 1), await startPeer(t, 2)];
  const called = await a.channel.call(b.target, 'card', { n: 1 });
  assert.deepEqual(called.answer, { hello: a.id, body: { n: 1 } });
  assert.equal(called.peer?.id, b.id);
  assert.equal(called.peer?.address, '127.0.0.1');
  assert.deepEqual([a.refusals.list(), b.refusals.list()], [[], []]);
});

test('another cluster key is refused and logged once on both sides', async (t) => {
  const [a, b] = [await startPeer(t, 1, { keys: [keyOf(9)] }), await startPeer(t, 2)];
  for (let round = 0; round < 3; round += 1) {
    assert.equal((await a.channel.call(b.target, 'card', {})).refused?.code, 'other-key');
  }
  for (const { lines } of [a, b]) {
    const said = lines.filter((line) => line.includes('failed authentication'));
    assert.equal(said.length, 1, said.join(''));
    assert.match(said[0] ?? '', /127\.0\.0\.1/);
  }
  assert.match(b.lines.join(''), new RegExp(`fingerprint ${keyOf(9).fingerprint}`));
  assert.equal(b.refusals.list()[0]?.times, 3);
});

test('a forged fingerprint does not help: the key itself must fit', async (t) => {
  const forged = { ...keyOf(9), fingerprint: keyOf(1).fingerprint };
  const [a, b] = [await startPeer(t, 1, { keys: [forged] }), await startPeer(t, 2)];
  assert.equal((await a.channel.call(b.target, 'card', {})).refused?.code, 'other-key');
  assert.match(b.lines.join(''), /failed authentication: its cluster key is another/);
});

test('during a rotation the older key is tried too', async (t) => {
  const a = await startPeer(t, 1, { keys: [keyOf(9), keyOf(1)], card: signedOf(1) });
  const b = await startPeer(t, 2);
  assert.equal((await a.channel.call(b.target, 'card', {})).peer?.id, b.id);
});

test("a card that is not the sender's own is a replayed card", async (t) => {
  const server = await startPeer(t, 1);
  const { body } = await craft(server.port, { identity: 2, card: signedOf(3) });
  assert.equal(reasonIn(body).code, 'replayed');
  assert.match(server.lines.join(''), /failed authentication: replayed card/);
});

test('a proof from another connection is no proof', async (t) => {
  const server = await startPeer(t, 1);
  const { body } = await craft(server.port, { stolen: Buffer.alloc(32, 7) });
  assert.equal(reasonIn(body).code, 'replayed');
});

test('altered, foreign and oversized cards are refused, each for its reason', async (t) => {
  const server = await startPeer(t, 1);
  const good = signedOf(2);
  const altered = { ...signedOf(2, { name: 'other' }), signature: good.signature };
  const foreign = signedOf(2, {}, keyOf(9));
  const large = signedOf(2, { name: 'x'.repeat(5_000) });
  for (const [card, code] of [
    [altered, 'altered'],
    [foreign, 'foreign'],
  ] as const) {
    assert.equal(reasonIn((await craft(server.port, { card })).body).code, code);
  }
  assert.equal(reasonIn((await craft(server.port, { card: large })).body).code, 'oversized');
});

test('an evicted identity is refused by server and client', async (t) => {
  const evicted = new Set([identityOf(2).id]);
  const [a, b] = [await startPeer(t, 1, { evicted }), await startPeer(t, 2)];
  assert.equal((await b.channel.call(a.target, 'card', {})).refused?.code, 'evicted');
  assert.equal((await a.channel.call(b.target, 'card', {})).refused?.code, 'evicted');
  assert.match(b.lines.join(''), /it refused us: evicted/);
});

test('an enrolment token opens the enrolment only', async (t) => {
  const token = { id: 'tok1', key: Buffer.alloc(32, 5) };
  const server = await startPeer(t, 1, { tokens: [token] });
  const guest = await startPeer(t, 2, { keys: [], card: signedOf(2) });
  const called = await guest.channel.call(server.target, 'enroll', {}, { token });
  assert.deepEqual(called.answer, { token: 'tok1' });
  const other = await guest.channel.call(server.target, 'card', {}, { token });
  assert.equal(other.refused?.code, 'token');
  const wrong = { id: 'tok1', key: Buffer.alloc(32, 6) };
  assert.equal(
    (await guest.channel.call(server.target, 'enroll', {}, { token: wrong })).refused?.code,
    'token',
  );
  const unknown = { id: 'tok2', key: token.key };
  assert.equal(
    (await guest.channel.call(server.target, 'enroll', {}, { token: unknown })).refused?.code,
    'token',
  );
});

test('a node that calls itself learns so, without a refusal in the log', async (t) => {
  const a = await startPeer(t, 1);
  assert.equal((await a.channel.call(a.target, 'card', {})).refused?.code, 'self');
  assert.deepEqual(a.refusals.list(), []);
});

test('two runs of one identity both judge, by the same two standings', async (t) => {
  const seen: unknown[] = [];
  const metOurself = (own: unknown, other: unknown) => {
    seen.push([own, other]);
    return 'keeps' as const;
  };
  const a = await startPeer(t, 1, { instance: 'a'.repeat(16), deps: { metOurself } });
  const b = await startPeer(t, 1, { instance: 'b'.repeat(16), deps: { metOurself } });
  assert.equal((await a.channel.call(b.target, 'card', {})).refused?.code, 'duplicate');
  const [server, client] = seen as [unknown[], unknown[]];
  assert.deepEqual(server, [...client].reverse());
});

test('a refusal that stops a node is signed by the member that says it', async (t) => {
  const told: string[][] = [];
  const toldDuplicate = (...words: string[]) => told.push(words);
  const refused = { code: 'duplicate', reason: 'identity in use by 192.0.2.7', address: '192.0.2.7' };
  const twin = await startPeer(t, 2, { deps: { admit: async () => refused } });
  const a = await startPeer(t, 1, { deps: { toldDuplicate } });
  assert.equal((await a.channel.call(twin.target, 'card', {})).refused?.by, twin.id);
  assert.deepEqual(told, [['192.0.2.7', twin.id]]);
  const evicting = await startPeer(t, 3, { evicted: new Set([a.id]) });
  const { refused: evicted } = await a.channel.call(evicting.target, 'card', {});
  assert.deepEqual([evicted?.code, evicted?.by], ['evicted', evicting.id]);
});

test('a holder of the key without a member to sign for stops nobody by its refusals', async (t) => {
  const told: string[][] = [];
  const toldDuplicate = (...words: string[]) => told.push(words);
  const a = await startPeer(t, 1, { deps: { toldDuplicate } });
  const key = keyOf(1);
  let signer: (exported: Buffer) => ReturnType<typeof introduce> | undefined = () => undefined;
  const server = await peerTls.serve({
    port: 0,
    host: '127.0.0.1',
    keyOf: () => key.channel,
    answer: async ({ exported }) =>
      encodeRefused({ code: 'duplicate', reason: 'x', address: '192.0.2.7' }, signer(exported)),
    onRefused: () => {},
    bodyBytes: 65_536,
    timeoutMs: 3_000,
    places: { connections: 4, connectionsOfOneAddress: 4 },
    isKnown: () => false,
  });
  t.after(() => server.close());
  const target = { address: '127.0.0.1', port: server.port };
  const standing = { instance: 'ab'.repeat(8), memberMs: 0, duplicate: false };
  const calls: [string, typeof signer][] = [
    ['unsigned', () => undefined],
    [
      'of another connection',
      () => introduce(identityOf(5), signedOf(5), standing, 'server', Buffer.alloc(32)),
    ],
    [
      'with the card of another',
      (exported) => introduce(identityOf(5), signedOf(6), standing, 'server', exported),
    ],
    [
      'of another cluster',
      (exported) => introduce(identityOf(5), signedOf(5, {}, keyOf(9)), standing, 'server', exported),
    ],
  ];
  for (const [what, sign] of calls) {
    signer = sign;
    const { refused } = await a.channel.call(target, 'card', {});
    assert.deepEqual([refused?.code, refused?.by], ['duplicate', undefined], what);
  }
  assert.deepEqual(told, []);
});

test('what is too large, garbage, plain HTTP or silent does not keep the server from its work', async (t) => {
  const server = await startPeer(t, 1, { deps: { timeoutMs: 1_000 } });
  const friend = await startPeer(t, 3);
  await assert.rejects(craft(server.port, { padding: 100_000 }), { code: /TOO_LARGE|EPIPE|ECONNRESET/ });
  await new Promise<void>((done) => {
    const request = plainRequest({ port: server.port, host: '127.0.0.1' });
    request.on('error', () => done());
    request.on('response', () => done());
    request.end();
  });
  const garbage = net.connect(server.port, '127.0.0.1');
  garbage.on('error', () => {});
  garbage.end(Buffer.alloc(4_096, 0x5a));
  const silent = Array.from({ length: 20 }, () => net.connect(server.port, '127.0.0.1'));
  const closed = Promise.all(
    silent.map(
      (socket) => new Promise<void>((done) => socket.on('error', () => {}).on('close', () => done())),
    ),
  );
  assert.equal((await friend.channel.call(server.target, 'card', {})).peer?.id, server.id);
  assert.equal(
    await Promise.race([closed.then(() => 'closed'), delay(60_000, 'open', { ref: false })]),
    'closed',
  );
  assert.match(server.lines.join(''), /larger than allowed/);
  assert.match(server.lines.join(''), /HTTP without TLS/);
});

test('a sender that drips its request is cut off, and others are served meanwhile', async (t) => {
  const server = await startPeer(t, 1, { deps: { timeoutMs: 1_000 } });
  const friend = await startPeer(t, 3);
  const { connect } = await import('node:tls');
  const key = keyOf(1);
  const socket = connect({
    port: server.port,
    host: '127.0.0.1',
    ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
    maxVersion: 'TLSv1.2',
    pskCallback: () => ({ psk: key.channel, identity: `key:${key.fingerprint}` }),
    checkServerIdentity: () => undefined,
  });
  socket.on('error', () => {});
  const drip = setInterval(() => socket.write('a'), 100);
  t.after(() => clearInterval(drip));
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n');
  const closed = new Promise<string>((done) => socket.on('close', () => done('closed')));
  assert.equal((await friend.channel.call(server.target, 'card', {})).peer?.id, server.id);
  assert.equal(await Promise.race([closed, delay(60_000, 'open', { ref: false })]), 'closed');
});

test('a busy port is told with its number, and a free one is taken again', async (t) => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => taken.once('listening', done));
  const { port } = taken.address() as net.AddressInfo;
  const peer = await startPeer(t, 1);
  await assert.rejects(peer.channel.start(port, '127.0.0.1'), (error) => {
    assert.ok(error instanceof AgentError);
    assert.equal(error.code, 'discovery.port-busy');
    assert.match(error.message, new RegExp(`${port}/tcp`));
    return true;
  });
  await new Promise((done) => taken.close(done));
  assert.equal((await peer.channel.start(port, '127.0.0.1')).port, port);
});

test('nobody there is a failure in words', async (t) => {
  const peer = await startPeer(t, 1);
  const called = await peer.channel.call({ address: '127.0.0.1', port: 1 }, 'card', {});
  assert.equal(called.failed, 'nobody listens there');
});

test('members reach each other while strangers hold every place with connections that say nothing', async (t) => {
  const [a, b] = [await startPeer(t, 1), await startPeer(t, 2)];
  // Of 127.0.0.2 and its neighbours, as many machines would: none takes more than its share.
  const idle = Array.from({ length: 90 }, (_, index) =>
    net.connect({ port: b.port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (index % 6)}` }),
  );
  t.after(() => {
    for (const socket of idle) socket.destroy();
  });
  for (const socket of idle) socket.on('error', () => {});
  await Promise.all(idle.map((socket) => once(socket, 'connect')));
  assert.equal((await a.channel.call(b.target, 'card', { n: 1 })).peer?.id, b.id);
  // The same from the address of one stranger: it may share ours.
  const near = Array.from({ length: 30 }, () => net.connect({ port: b.port, host: '127.0.0.1' }));
  t.after(() => {
    for (const socket of near) socket.destroy();
  });
  for (const socket of near) socket.on('error', () => {});
  await Promise.all(near.map((socket) => once(socket, 'connect')));
  assert.equal((await a.channel.call(b.target, 'card', { n: 2 })).peer?.id, b.id);
});
