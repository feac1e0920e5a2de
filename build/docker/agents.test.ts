import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AgentStatus, lacking, statusOrReason } from './agents.ts';

function agent(more: Partial<AgentStatus> = {}): AgentStatus {
  return {
    state: 'ready',
    cluster: { uuid: 'one' },
    consensus: { place: 'voter', quorum: true, voters: ['node1'] },
    members: ['node1', 'node2'].map((name) => ({ name, status: 'alive' })),
    ...more,
  };
}

const pair = (other: AgentStatus | string) =>
  lacking(
    new Map<string, AgentStatus | string>([
      ['node1', agent()],
      ['node2', other],
    ]),
  );

test('two nodes that are ready, see each other and are in one cluster lack nothing', () => {
  assert.equal(pair(agent()), undefined);
});

test('whatever is missing is told with the node that misses it', () => {
  assert.equal(pair('the agent is not running'), 'node2: the agent is not running');
  assert.equal(pair(agent({ state: 'waiting' })), 'node2 is waiting');
  assert.equal(
    pair(agent({ consensus: { place: 'voter', quorum: false, voters: [] } })),
    'node2 sees no quorum',
  );
  const dead = [
    { name: 'node1', status: 'alive' },
    { name: 'node2', status: 'failed' },
  ];
  assert.equal(pair(agent({ members: dead })), 'node2 sees 1 of 2 nodes');
  assert.equal(pair(agent({ cluster: { uuid: 'two' } })), 'the nodes are in 2 clusters');
});

test('three nodes with one voter are not whole: it would be no better than one machine', () => {
  const members = ['node1', 'node2', 'node3'].map((name) => ({ name, status: 'alive' }));
  const seen = (voters: string[]) =>
    lacking(
      new Map(
        members.map(({ name }) => [
          name,
          agent({ members, consensus: { place: 'client', quorum: true, voters } }),
        ]),
      ),
    );
  assert.equal(seen(['node1']), 'node1 sees 1 of 3 voters');
  assert.equal(seen(['node1', 'node2', 'node3']), undefined);
});

test('an agent that gives no status gives its reason, as a text and not as JSON', () => {
  const error = JSON.stringify({ error: { code: 'agent.not-running', message: 'the agent is not running' } });
  assert.equal(statusOrReason(4, '', error), 'the agent is not running');
  assert.equal(statusOrReason(4, error, ''), 'the agent is not running');
  assert.equal(statusOrReason(126, '', 'no such container\nmore'), 'no such container');
  assert.equal(statusOrReason(1, '', ''), 'node-agent status ends with 1');
  const status = { state: 'ready', members: [] };
  assert.deepEqual(statusOrReason(0, JSON.stringify(status), ''), status);
});
