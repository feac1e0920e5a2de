import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Rig, startRig, until } from './testing/rig.ts';
import { EtcdError, type WatchNews } from './types.ts';

const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof EtcdError, String(error));
  assert.equal(error.code, expected, `${error.message}: ${error.evidence}`);
  return true;
};

function member(rig: Rig, at: number) {
  const found = rig.members[at];
  assert.ok(found);
  return found;
}

/** The next news, or a failure that says what was awaited. */
async function next(news: AsyncIterator<WatchNews>, what: string): Promise<WatchNews> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no news within 120 s: ${what}`)), 120_000);
  });
  try {
    const { value, done } = await Promise.race([news.next(), late]);
    assert.ok(!done, what);
    return value;
  } finally {
    clearTimeout(timer);
  }
}

const values = (news: WatchNews) =>
  news.kind === 'reset' ? news.kvs.map(({ value }) => value) : news.events.map(({ kv }) => kv.value);

test('three members with mTLS', { timeout: 600_000 }, async (t) => {
  const rig = await startRig(t, 3, { 'quota-backend-bytes': 4 * 1024 * 1024 });
  const client = rig.client();

  await t.test('a watch outlives the member that it came from and misses nothing', async () => {
    const stop = new AbortController();
    await client.put('w/1', 'before');
    const news = client.watch('w/', { prefix: true }, stop.signal)[Symbol.asyncIterator]();
    const first = await next(news, 'the present values');
    assert.deepEqual([first.kind, values(first)], ['reset', ['before']]);
    const coming = next(news, 'the first event');
    await client.put('w/2', 'one');
    assert.deepEqual(values(await coming), ['one']);
    member(rig, 0).signal('SIGKILL');
    const after = next(news, 'an event after the kill');
    const others = rig.client({
      timeoutMs: 1_500,
      endpoints: () => [member(rig, 1).endpoint, member(rig, 2).endpoint],
    });
    await until('the two others write', async () => (await others.put('w/3', 'two')).revision !== '0');
    assert.deepEqual(values(await after), ['two']);
    await client.delete('w/', { prefix: true });
    const gone = await next(news, 'the deletions');
    assert.deepEqual(gone.kind === 'events' && gone.events.map(({ type, kv }) => `${type} ${kv.key}`), [
      'delete w/1',
      'delete w/2',
      'delete w/3',
    ]);
    stop.abort();
    assert.equal((await news.next()).done, true);
    member(rig, 0).restart();
    await until('the member is back', () => client.health(member(rig, 0).endpoint));
  });

  await t.test('a watch from a revision that was compacted begins anew', async () => {
    const stop = new AbortController();
    const { revision } = await client.put('c', '1');
    await client.put('c', '2');
    await client.compact((await client.put('c', '3')).revision);
    const news = client.watch('c', { fromRevision: revision }, stop.signal)[Symbol.asyncIterator]();
    const first = await next(news, 'the reset');
    assert.deepEqual([first.kind, values(first)], ['reset', ['3']]);
    stop.abort();
  });

  await t.test('a watch from a revision brings what happened since, without a reset', async () => {
    const stop = new AbortController();
    const { revision } = await client.put('f', '1');
    await client.put('f', '2');
    const news = client.watch('f', { fromRevision: revision }, stop.signal)[Symbol.asyncIterator]();
    const seen: string[] = [];
    while (seen.length < 2) {
      const news1 = await next(news, 'both events');
      assert.equal(news1.kind, 'events');
      seen.push(...values(news1));
    }
    assert.deepEqual(seen, ['1', '2']);
    stop.abort();
  });

  await t.test('a frozen member is left by calls and, within 20 s, by watches', async () => {
    const stop = new AbortController();
    const frozen = member(rig, 0);
    const mine = rig.client();
    const news = mine.watch('z', {}, stop.signal)[Symbol.asyncIterator]();
    await next(news, 'the present values');
    const coming = next(news, 'an event from another member');
    frozen.signal('SIGSTOP');
    try {
      const started = performance.now();
      await mine.range('z');
      assert.ok(performance.now() - started < 5_000);
      await until('a write succeeds', async () => (await mine.put('z', 'new')).revision !== '0');
      assert.deepEqual(values(await coming), ['new']);
    } finally {
      frozen.signal('SIGCONT');
      stop.abort();
    }
    await until('it answers again', () => client.health(frozen.endpoint));
  });

  await t.test('a learner joins, is promoted, and is removed again', async () => {
    const fourth = rig.prepare('m4');
    await until('members may change', async () => {
      const { id, members } = await client.addMember([fourth.peerUrl], true);
      assert.equal(members.length, 4);
      const added = members.find((one) => one.id === id);
      assert.deepEqual([added?.name, added?.learner], ['', true]);
      return true;
    });
    await assert.rejects(client.addMember([fourth.peerUrl], true), code('etcd.member-exists'));
    const id = (await client.members()).find(({ learner }) => learner)?.id ?? '';
    await assert.rejects(client.promoteMember(id), code('etcd.learner-not-ready'));
    fourth.start([...rig.members, fourth], 'existing');
    await until('it is promoted', async () => {
      await client.promoteMember(id);
      return true;
    });
    assert.ok((await client.members()).every(({ learner }) => !learner));
    await until('it answers', () => client.health(fourth.endpoint));
    await until('it is removed', async () => {
      await client.removeMember(id);
      return true;
    });
    assert.equal(await fourth.exited(), 0);
    await assert.rejects(client.removeMember(id), code('etcd.not-found'));
    assert.equal((await client.members()).length, 3);
  });

  await t.test(
    'without a quorum a write fails soon and surely, and a serializable read still answers',
    async () => {
      member(rig, 1).signal('SIGKILL');
      member(rig, 2).signal('SIGKILL');
      await until('the leader has noticed', async () => {
        const { leader } = await client.status(member(rig, 0).endpoint);
        return leader === '0';
      });
      await assert.rejects(client.put('q', 'x'), (error: unknown) => {
        assert.ok(error instanceof EtcdError);
        assert.equal(error.code, 'etcd.no-leader', error.evidence ?? '');
        assert.equal(error.outcomeUnknown, false);
        return true;
      });
      await client.range('z', { serializable: true });
      assert.equal((await client.members({ serializable: true })).length, 3);
      assert.equal(await client.health(member(rig, 0).endpoint), false);
      member(rig, 1).restart();
      member(rig, 2).restart();
      await until('a write succeeds', async () => (await client.put('q', 'y')).revision !== '0');
    },
  );

  await t.test('a full database is told, shown as an alarm, and can be freed', async () => {
    const big = 'x'.repeat(1024 * 1024);
    await assert.rejects(async () => {
      for (let at = 0; at < 12; at += 1) await client.put('big', big);
    }, code('etcd.quota'));
    assert.ok((await client.alarms()).some(({ alarm }) => alarm === 'NOSPACE'));
    await client.delete('big');
    await client.compact((await client.range('big')).revision);
    for (const { endpoint } of rig.members) await client.defragment(endpoint);
    // Each member raises its own, some a moment later.
    await until('no alarm is left', async () => {
      const alarms = await client.alarms();
      for (const { memberId, alarm } of alarms) await client.disarm(memberId, alarm);
      return alarms.length === 0;
    });
    await client.put('small', 'x');
  });
});
