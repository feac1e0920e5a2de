// needs: cpu 0.4, memory 1.5 GiB
/**
 * Where a role runs: an operator moves it by hand and by labels, one node is turned off by its settings, and each node
 * that may not hold it says why. Whoever asks the page is answered all the time but for a hand-over.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXIT_CODES } from '../../../agent/errors.ts';
import { watchFencing } from '../../cluster/fencing.ts';
import { formCluster, newKey } from '../../cluster/forming.ts';
import { holderOf, roleIn } from '../../cluster/leadership.ts';
import type { Machine } from '../../cluster/machines.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

const NODE_YAML = `consensus: { expect: 3 }
labels: { rack: 7 }
workloads: { page: { where: "!retired" } }
`;
const MOVE = { timeoutMs: 150_000 };

test('a role goes where an operator moves it, leaves a node by a label, and is nowhere when no node may hold it', async (t) => {
  await withCluster(t, { hosts: 3, seed: { key: newKey(), nodeYaml: NODE_YAML } }, async ({ machines }) => {
    await formCluster(machines);
    const fencing = await watchFencing(machines);
    const first = await holderOf(machines);
    const [second, third] = machines.filter((machine) => machine !== first);
    assert.ok(second && third);

    const moved = await third.must(['node-agent', 'role', 'move', 'page', second.name], MOVE);
    assert.equal(moved.trim(), `${second.name} holds the role page`);
    assert.equal(await holderOf(machines), second);
    const again = await first.must(['node-agent', 'role', 'move', 'page', second.name], MOVE);
    assert.match(again, /holds the role page already/);

    assert.equal((await first.must(['node-agent', 'label', second.name])).trim(), 'rack=7');
    await first.must(['node-agent', 'label', second.name, 'retired=', 'rack-']);
    await second.until(
      'it has given the role back, and says why',
      (status) => /it wants !retired, and this node has retired=/.test(roleIn(status, 'page')?.reason ?? ''),
      60_000,
    );
    const now = await holderOf(machines.filter((machine) => machine !== second));
    assert.equal((await now.must(['node-agent', 'label', second.name])).trim(), 'retired=');

    const refused = await first.exec(['node-agent', 'role', 'move', 'page', second.name], MOVE);
    assert.equal(refused.code, EXIT_CODES.notDone.code, refused.stdout);
    assert.match(refused.stderr, /does not take the role page: it wants !retired/);
    assert.equal(await holderOf(machines), now, 'nothing was changed');

    const left = machines.find((machine) => machine !== second && machine !== now);
    assert.ok(left);
    await left.writeFile(left.paths.config, 'workloads: { page: { enabled: false } }\n', 0o600);
    await left.until('it leaves the role to others', saysOf(/leave it to others/), 60_000);
    await first.must(['node-agent', 'label', now.name, 'retired=']);
    await now.until('nobody may hold it', saysOf(/!retired/), 60_000);
    await now.until('nobody holds it', (status) => roleIn(status, 'page')?.holder === undefined, 60_000);

    await now.must(['node-agent', 'label', second.name, '--reset']);
    assert.equal(await holderOf(machines), second);
    await second.until('its labels are those of its settings', labelled(second, { rack: '7' }), 30_000);
    const { handOvers } = await fencing.finish();
    t.diagnostic(
      handOvers.map(({ from, to, apartMs }) => `${from} to ${to} ${apartMs.toFixed(0)} ms`).join(', '),
    );
  });
});

function saysOf(reason: RegExp) {
  return (status: Parameters<typeof roleIn>[0]) => reason.test(roleIn(status, 'page')?.reason ?? '');
}

function labelled(machine: Machine, labels: Readonly<Record<string, string>>) {
  return ({ members = [] }: Awaited<ReturnType<Machine['agentStatus']>>) =>
    JSON.stringify(members.find(({ name }) => name === machine.name)?.labels) === JSON.stringify(labels);
}
