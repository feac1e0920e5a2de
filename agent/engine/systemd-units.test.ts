import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stateFrom } from './systemd-units.ts';

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
