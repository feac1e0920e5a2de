import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from './log.ts';
import { isSane, serviceManager, watchdogInterval } from './systemd.ts';

test('the watchdog is told twice in its time, and only when it watches us', () => {
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '60000000' }, 7), 30_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' }, 7), 30_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '8' }, 7), undefined);
  for (const usec of [undefined, '', '0', '-1', 'x'])
    assert.equal(watchdogInterval({ WATCHDOG_USEC: usec }, 7), undefined);
});

test('a loop that has not come round for long is not sane', () => {
  assert.ok(isSane(0, 14_000, 5_000));
  assert.ok(!isSane(0, 15_000, 5_000));
  assert.ok(isSane(0, 59_000, 30_000));
});

test('without NOTIFY_SOCKET nothing is run', async () => {
  assert.equal(await serviceManager({ PATH: '' }).notify('READY=1'), undefined);
});

test('an event is one line with its priority, whatever it holds', () => {
  const lines: string[] = [];
  const log = createLog({ write: (line) => lines.push(line) });
  log.warning('odd\nname', { reason: 'a\r\n<0>b', port: 3, none: undefined });
  log.debug('hidden');
  log.setLevel('debug');
  log.debug('shown');
  assert.deepEqual(lines, ['<4>odd | name reason="a\\r\\n<0>b" port=3\n', '<7>shown\n']);
});
