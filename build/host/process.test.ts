import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from './process.ts';

const COUNT = ['wc', '--bytes'];

test('a program gets what is fed to it, from one place that is used again and again', async () => {
  const place = Buffer.alloc(256 * 1024);
  const { stdout } = await run(['sha256sum'], {
    feed: async (write) => {
      for (let turn = 0; turn < 8; turn++) await write(place.fill(turn));
    },
  });
  const expected = await run(['sha256sum'], {
    input: Buffer.concat(Array.from({ length: 8 }, (_, turn) => Buffer.alloc(place.length, turn))),
  });
  assert.equal(stdout, expected.stdout);
});

test('what feeds a program and fails ends it, and is what the caller is told', async () => {
  const own = new Error('the source has gone');
  const running = run(['sleep', '600'], {
    feed: async (write) => {
      await write(Buffer.from('some'));
      throw own;
    },
  });
  await assert.rejects(running, (error) => error === own);
});

test('a program that ends before it has read all is told by its own words, and feeding stops', async () => {
  let stopped = false;
  const feed = async (write: (bytes: Uint8Array) => Promise<void>) => {
    try {
      for (;;) await write(Buffer.alloc(1024 * 1024));
    } finally {
      stopped = true;
    }
  };
  await assert.rejects(run(['ls', '/is/not/there'], { feed }), { code: 'command.failed', message: /^ls/ });
  assert.ok(stopped);
  stopped = false;
  await assert.rejects(run(['clusteros-no-such-program'], { feed }), { code: 'program.missing' });
  assert.ok(stopped);
});

test('a stop while a program is fed is a stop, whatever the feeding says to it', async () => {
  const stop = new AbortController();
  const running = run(COUNT, {
    signal: stop.signal,
    feed: async (write) => {
      await write(Buffer.alloc(10));
      stop.abort();
      stop.signal.throwIfAborted();
    },
  });
  await assert.rejects(running, { code: 'interrupted' });
});
