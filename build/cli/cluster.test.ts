import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentStatus } from '../docker/agents.ts';
import { statusAsText } from './cluster-view.ts';
import { runProgram } from './program.ts';

async function cluster(...args: string[]) {
  let stdout = '';
  let stderr = '';
  const code = await runProgram(['cluster', ...args], {
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
  });
  return { code, stdout, stderr };
}

test('--help names every command of the family, with examples', async () => {
  const { code, stdout } = await cluster('--help');
  assert.equal(code, 0);
  for (const command of [
    'up',
    'compose',
    'status',
    'info',
    'logs',
    'shell',
    'exec',
    'stop',
    'start',
    'clean',
  ])
    assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
  assert.match(stdout, /^ {2}npx clusteros-build cluster up /m);
});

test('flags that make no sense are refused before Docker is asked for anything', async () => {
  for (const [words, said] of [
    [['--nodes', '0'], /whole number above 0/],
    [['--nodes', '51'], /at most 50 nodes/],
    [['--name', 'No Name'], /--name does not understand "No Name"/],
    [['--subnet', '10.90.0.0'], /--subnet does not understand/],
    [['--env', 'lower=1'], /expected NAME=value/],
  ] as const) {
    const { code, stderr } = await cluster('up', ...words);
    assert.equal(code, 2, words.join(' '));
    assert.match(stderr, said);
  }
});

test('the status is a line for each node, and a node without an answer says why', () => {
  const agent: AgentStatus = {
    state: 'ready',
    mesh: { ready: true, address: '10.42.1.2' },
    consensus: { place: 'voter', quorum: true, leader: 'node1', voters: ['node1'] },
    members: [
      { name: 'node1', status: 'alive' },
      { name: 'node2', status: 'failed' },
    ],
  };
  const container = { image: 'clusteros:1.0.0', address: '10.90.0.10' };
  const nodes = [
    { ...container, name: 'node1', container: 'c-node1', state: 'running' },
    { ...container, name: 'node2', container: 'c-node2', state: 'exited' },
  ];
  const answers = new Map<string, AgentStatus | string>([
    ['node1', agent],
    ['node2', 'the container is exited'],
  ]);
  assert.deepEqual(statusAsText('c', nodes, answers).split('\n'), [
    'quick cluster c: 1 of 2 nodes run',
    '',
    'NODE   ADDRESS     MESH       STATE   PLACE                    LEADER  MEMBERS',
    'node1  10.90.0.10  10.42.1.2  ready   voter                    node1   1 of 2 alive',
    'node2  10.90.0.10  -          exited  the container is exited',
  ]);
});
