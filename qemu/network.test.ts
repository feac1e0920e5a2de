import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { createFrameCutter, withLength } from './frames.ts';
import { createSwitch, type Switch } from './network.ts';
import { waitFor } from './wait.ts';

const ends: (() => unknown)[] = [];
after(async () => {
  for (const end of ends) await end();
});

/** A card that is no QEMU: it says and hears frames of which the first twelve bytes are addresses. */
async function card(net: Switch, name: string, number: number) {
  const { socket: path } = await net.plug(name);
  let socket: Socket;
  const heard: string[] = [];
  const plugIn = () => {
    socket = connect(path);
    socket.on('data', createFrameCutter((frame) => heard.push(frame.toString('latin1', 14))) as never);
  };
  plugIn();
  ends.unshift(() => socket.destroy());
  const mac = Buffer.from([0x52, 0x54, 0, 0, 0, number]);
  const say = (to: Buffer, text: string) =>
    socket.write(withLength(Buffer.concat([to, mac, Buffer.from([8, 0]), Buffer.from(text, 'latin1')])));
  return { heard, mac, say, pullOut: () => socket.destroy(), plugIn };
}

const ALL = Buffer.alloc(6, 0xff);
const settled = (heard: string[], count: number) =>
  waitFor(
    `${count} frames`,
    () => (heard.length >= count ? { done: true, value: [...heard] } : { done: false, saw: heard.join() }),
    { deadlineMs: 60_000, everyMs: 5 },
  );

/** Three cards that have all heard of each other. */
async function three() {
  const net = await createSwitch();
  ends.push(() => net.close());
  const cards = [await card(net, 'a', 1), await card(net, 'b', 2), await card(net, 'c', 3)] as const;
  for (const each of cards) {
    await waitFor(
      'the card to be heard',
      () => {
        each.say(ALL, 'hi');
        const done = cards.every((other) => other === each || other.heard.length > 0);
        return done ? { done, value: undefined } : { done: false, saw: 'silence' };
      },
      { deadlineMs: 60_000, everyMs: 20 },
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const other of cards) other.heard.length = 0;
  }
  return { net, a: cards[0], b: cards[1], c: cards[2] };
}

test('a frame for one card reaches that card alone, a broadcast all but the sender', async () => {
  const { a, b, c } = await three();
  a.say(b.mac, 'for b');
  a.say(ALL, 'for all');
  assert.deepEqual(await settled(b.heard, 2), ['for b', 'for all']);
  assert.deepEqual(await settled(c.heard, 1), ['for all']);
  assert.deepEqual(a.heard, []);
});

test('a cut path is cut both ways and mended, while others go on', async () => {
  const { net, a, b, c } = await three();
  net.setLink('a', 'b', false);
  a.say(ALL, 'lost on b');
  b.say(ALL, 'lost on a');
  assert.deepEqual(await settled(c.heard, 2), ['lost on b', 'lost on a']);
  net.setLink('a', 'b', true);
  a.say(b.mac, 'mended');
  assert.deepEqual(await settled(b.heard, 1), ['mended']);
  assert.deepEqual(a.heard, []);
});

test('a path can be cut one way only', async () => {
  const { net, a, b } = await three();
  net.setLink('a', 'b', false, { oneWay: true });
  a.say(b.mac, 'unheard');
  b.say(a.mac, 'heard');
  assert.deepEqual(await settled(a.heard, 1), ['heard']);
  assert.deepEqual(b.heard, []);
});

test('a pulled cable silences a card, and a card that comes back is served again', async () => {
  const { net, a, b } = await three();
  net.setCable('a', false);
  b.say(a.mac, 'unheard');
  net.setCable('a', true);
  a.pullOut();
  a.plugIn();
  const back = () => {
    b.say(a.mac, 'back');
    return a.heard.length > 0
      ? ({ done: true, value: undefined } as const)
      : ({ done: false, saw: 'silence' } as const);
  };
  await waitFor('a to be back', back, { deadlineMs: 60_000, everyMs: 20 });
  assert.equal(a.heard[0], 'back');
});

test('frames are found wherever the stream is cut, and a stream out of step is an error', () => {
  const frames = ['one', '', 'x'.repeat(3000)];
  const stream = Buffer.concat(frames.map((text) => withLength(Buffer.from(text))));
  for (const size of [1, 2, 3, 5, 1000, stream.length]) {
    const got: string[] = [];
    const cut = createFrameCutter((frame) => got.push(frame.toString()));
    for (let from = 0; from < stream.length; from += size) cut(stream.subarray(from, from + size));
    assert.deepEqual(got, frames, `cut by ${size}`);
  }
  assert.throws(() => createFrameCutter(() => undefined)(Buffer.from('GET / HTTP/1.0')), /a frame of/);
});
