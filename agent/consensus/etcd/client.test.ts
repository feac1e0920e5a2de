import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorityFrom } from '../certificates/authority.ts';
import { materialOf, startRig, until } from './testing/rig.ts';
import { EtcdError } from './types.ts';

const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof EtcdError, String(error));
  assert.equal(error.code, expected, `${error.message}: ${error.evidence}`);
  return true;
};

test('the calls of one member', { timeout: 300_000 }, async (t) => {
  const rig = await startRig(t, 1);
  const client = rig.client();
  const endpoint = rig.members[0]?.endpoint ?? '';

  await t.test('values come back as they were put, in any script', async () => {
    const value = 'größe ☃ 𝄞 "quoted"\n';
    const { revision } = await client.put('kv/ä', value);
    const { kvs, more } = await client.range('kv/ä');
    assert.equal(more, false);
    assert.deepEqual(kvs, [
      { key: 'kv/ä', value, createRevision: revision, modRevision: revision, version: '1', lease: '0' },
    ]);
    assert.deepEqual((await client.range('kv/none')).kvs, []);
  });

  await t.test('a prefix, a limit, keys alone, an old revision, a deletion', async () => {
    for (const name of ['a', 'b', 'c']) await client.put(`p/${name}`, name);
    const before = (await client.put('p0', 'not below p/')).revision;
    const limited = await client.range('p/', { prefix: true, limit: 2 });
    assert.deepEqual([limited.kvs.map(({ value }) => value), limited.more], [['a', 'b'], true]);
    const names = await client.range('p/', { prefix: true, keysOnly: true });
    assert.deepEqual(
      names.kvs.map(({ key, value }) => [key, value]),
      [
        ['p/a', ''],
        ['p/b', ''],
        ['p/c', ''],
      ],
    );
    assert.equal((await client.delete('p/', { prefix: true })).deleted, 3);
    assert.equal((await client.range('p/', { prefix: true, serializable: true })).kvs.length, 0);
    assert.equal((await client.range('p/', { prefix: true, revision: before })).kvs.length, 3);
    assert.ok((await client.range('', { prefix: true })).kvs.length >= 2);
  });

  await t.test('a transaction takes one branch and says which', async () => {
    const once = () =>
      client.txn({
        compare: [{ key: 'txn', target: 'create', value: '0' }],
        success: [
          { kind: 'put', key: 'txn', value: 'first' },
          { kind: 'delete', key: 'nothing' },
        ],
        failure: [{ kind: 'range', key: 'txn' }],
      });
    assert.deepEqual((await once()).responses, [{ kind: 'put' }, { kind: 'delete', deleted: 0 }]);
    const second = await once();
    assert.equal(second.succeeded, false);
    assert.equal(second.responses[0]?.kind === 'range' && second.responses[0].kvs[0]?.value, 'first');
    const compared = await client.txn({
      compare: [
        { key: 'txn', target: 'value', value: 'first' },
        { key: 'txn', target: 'version', value: '1' },
        { key: 'txn', target: 'mod', result: '>', value: '1' },
        { key: 'txn', target: 'lease', value: '0' },
      ],
      success: [],
    });
    assert.equal(compared.succeeded, true);
  });

  await t.test('a lease that runs out takes its keys along', async () => {
    const lease = await client.grantLease(1);
    await client.put('leased', 'x', { lease: lease.id });
    assert.equal((await client.range('leased')).kvs[0]?.lease, lease.id);
    await until('the key is gone', async () => (await client.range('leased')).kvs.length === 0);
    await assert.rejects(client.put('x', 'y', { lease: lease.id }), code('etcd.not-found'));
  });

  await t.test(
    'a client with a certificate of another cluster is told so, and its write is not done',
    async () => {
      const foreign = { ...materialOf(authorityFrom(Buffer.alloc(32, 99)), 'client'), ca: rig.tls.ca };
      const stranger = rig.client({ tls: () => foreign });
      await assert.rejects(stranger.put('stranger', 'x'), (error: unknown) => {
        assert.ok(error instanceof EtcdError);
        assert.deepEqual(
          [error.code, error.outcomeUnknown],
          ['etcd.permission', false],
          error.evidence ?? '',
        );
        return true;
      });
      assert.deepEqual((await client.range('stranger')).kvs, []);
    },
  );

  await t.test('status, members and alarms', async () => {
    const status = await client.status(endpoint);
    assert.match(status.version, /^3\.\d+\.\d+$/);
    assert.equal(status.leader, status.memberId);
    assert.ok(status.dbSize > 0 && status.dbSizeInUse > 0 && status.raftTerm !== '0');
    for (const serializable of [true, false]) {
      const [member, ...none] = await client.members({ serializable });
      assert.deepEqual(none, []);
      assert.equal(member?.id, status.memberId);
      assert.deepEqual([member?.name, member?.learner], ['m1', false]);
    }
    assert.deepEqual(await client.alarms(), []);
  });

  await t.test('what was compacted is refused as such', async () => {
    const { revision } = await client.put('old', '1');
    const later = (await client.put('old', '2')).revision;
    await client.compact(later);
    await client.compact(later);
    await assert.rejects(client.range('old', { revision }), code('etcd.compacted'));
    await client.defragment(endpoint);
    assert.equal((await client.range('old')).kvs[0]?.value, '2');
  });
});
