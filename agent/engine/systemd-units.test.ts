import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasEnded, stateFrom } from './systemd-units.ts';

test('what systemd shows of a unit becomes a state, an exit code or a signal', () => {
  assert.deepEqual(stateFrom({ ActiveState: 'active', MainPID: '42' }), { state: 'running', pid: 42 });
  assert.deepEqual(stateFrom({ ActiveState: 'activating', MainPID: '0' }), {
    state: 'running',
    pid: undefined,
  });
  assert.deepEqual(stateFrom({ ActiveState: 'failed', ExecMainCode: '1', ExecMainStatus: '3' }), {
    state: 'failed',
    exit: { code: 3 },
  });
  assert.deepEqual(stateFrom({ ActiveState: 'failed', ExecMainCode: '2', ExecMainStatus: '9' }), {
    state: 'failed',
    exit: { signal: 'SIGKILL' },
  });
  assert.deepEqual(stateFrom({ ActiveState: 'inactive', ExecMainCode: '0', ExecMainStatus: '0' }), {
    state: 'stopped',
    exit: undefined,
  });
});

test('the journal is asked about a unit that has ended, and not about one that never ran', () => {
  const ended = (ActiveState: string, ExecMainCode: string) =>
    hasEnded(stateFrom({ ActiveState, ExecMainCode, ExecMainStatus: '0', MainPID: '0' }));
  assert.equal(ended('inactive', '0'), false);
  assert.equal(ended('active', '0'), false);
  assert.equal(ended('inactive', '1'), true);
  assert.equal(ended('inactive', '2'), true);
  assert.equal(ended('failed', '0'), true);
});
