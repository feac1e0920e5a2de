import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failed, NO_FAILURES, type RestartState } from '../engine/restart.ts';
import { keyringHolds, renderKeyring, serfConfig, serfFiles, unitSpec } from './config.ts';
import { datedMembers } from './members.ts';
import { renderEnv, renderSerfWrapper } from './operator.ts';
import { type Observed, planSerf } from './supervise.ts';
import { member } from './testing/fixtures.ts';

const KEYS = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const SETTINGS = {
  id: 'own',
  advertise: '10.0.0.1',
  port: 7946,
  rpcPort: 7950,
  rpcSecret: 'secret-of-the-rpc',
  tags: { card: '0123456789abcdef' },
  files: serfFiles({ run: '/run/clusteros', state: '/var/lib/clusteros' }),
};
const SERF: Observed = {
  unit: 'running',
  current: true,
  moved: false,
  silentSinceMs: undefined,
  restart: NO_FAILURES,
  leaving: false,
};

test('the unit names no secret, and its digest follows everything but the tags', () => {
  const spec = unitSpec(SETTINGS);
  assert.doesNotMatch(spec.argv.join(' '), /secret|encrypt/);
  assert.equal(unitSpec({ ...SETTINGS, tags: { card: 'other' } }).configDigest, spec.configDigest);
  assert.notEqual(unitSpec({ ...SETTINGS, advertise: '10.0.0.2' }).configDigest, spec.configDigest);
  assert.notEqual(unitSpec({ ...SETTINGS, rpcSecret: 'other' }).configDigest, spec.configDigest);
});

test('Serf listens on IPv6 when it tells an IPv6 address', () => {
  assert.equal(serfConfig(SETTINGS).bind, '0.0.0.0:7946');
  const six = serfConfig({ ...SETTINGS, advertise: 'fd00::1' });
  assert.deepEqual([six.bind, six.advertise], ['[::]:7946', '[fd00::1]:7946']);
});

test('a keyring is the same only with the same key in front and no other keys', () => {
  const [one, two] = KEYS as [Buffer, Buffer];
  assert.ok(keyringHolds(renderKeyring(KEYS), KEYS));
  assert.ok(!keyringHolds(renderKeyring([two, one]), KEYS));
  assert.ok(!keyringHolds(renderKeyring(KEYS), [one]));
  assert.ok(!keyringHolds('{', [one]));
  assert.ok(!keyringHolds(undefined, [one]));
});

test('Serf is started, restarted, bidden farewell or left alone', () => {
  const restart = failed(NO_FAILURES, 1_000);
  assert.equal(planSerf(SERF, 0), 'keep');
  assert.equal(planSerf({ ...SERF, unit: 'failed' }, 0), 'start');
  assert.equal(planSerf({ ...SERF, unit: 'failed', restart }, 1_100), 'wait');
  assert.equal(planSerf({ ...SERF, unit: 'failed', restart }, 1_600), 'start');
  assert.equal(planSerf({ ...SERF, current: false }, 0), 'restart');
  assert.equal(planSerf({ ...SERF, current: false, moved: true }, 0), 'leave-and-restart');
  assert.equal(planSerf({ ...SERF, silentSinceMs: 0 }, 14_999), 'keep');
  assert.equal(planSerf({ ...SERF, silentSinceMs: 0 }, 15_000), 'kill-and-restart');
  assert.equal(planSerf({ ...SERF, unit: 'stopped', leaving: true }, 0), 'keep');
});

test('a Serf that was silent before is given twice the time, up to two minutes', () => {
  const patience = (restart: RestartState) => {
    const at = (silentMs: number) =>
      planSerf({ ...SERF, silentSinceMs: 1_000_000, restart }, 1_000_000 + silentMs);
    return [15_000, 30_000, 60_000, 120_000].find((ms) => at(ms) !== 'keep');
  };
  let restart = NO_FAILURES;
  const seen = [patience(restart)];
  for (let times = 1; times <= 4; times++) {
    restart = failed(restart, 20_000 * times);
    seen.push(patience(restart));
  }
  assert.deepEqual(seen, [15_000, 30_000, 60_000, 120_000, 120_000]);
});

test('a member keeps its time while its state stays', () => {
  const first = datedMembers([], [member('b', '10.0.0.2'), member('a', '10.0.0.1')], 5);
  const second = datedMembers(
    first,
    [member('a', '10.0.0.1'), member('b', '10.0.0.2', { status: 'failed' })],
    9,
  );
  assert.deepEqual(
    second.map(({ id, sinceMs }) => [id, sinceMs]),
    [
      ['a', 5],
      ['b', 9],
    ],
  );
});

test("the operator's wrapper reads the secret and holds none", () => {
  assert.match(
    renderEnv(7950, 'abc'),
    /^export SERF_RPC_ADDR=127\.0\.0\.1:7950\nexport SERF_RPC_AUTH=abc\n$/,
  );
  assert.match(renderSerfWrapper('/run/clusteros'), /env=\/run\/clusteros\/serf\/env/);
  assert.match(renderSerfWrapper('/run/clusteros'), /exec \/usr\/bin\/serf "\$@"/);
});
