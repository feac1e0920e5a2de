import assert from 'node:assert/strict';
import type { Machine } from '../machines.ts';
import { eventually } from '../waits.ts';

/** Soon, as a role that had to be killed has failed until its agent has seen to it. */
export async function noUnitFailed(machine: Machine): Promise<void> {
  await eventually(
    `no unit of ${machine.name} has failed`,
    async () => {
      const failed = await machine.must(['systemctl', 'list-units', '--failed', '--plain', '--no-legend']);
      assert.equal(failed.trim(), '');
      return true;
    },
    { deadlineMs: 120_000, everyMs: 5_000 },
  );
}
