import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import * as path from 'node:path';
import { test } from 'node:test';
import { AgentError } from '../errors.ts';
import { freePort, startNode, until } from './testing/node.ts';

const KEY = Buffer.alloc(32, 7);

test('a node with another key never becomes a member, and both sides say so', async (t) => {
  const port = await freePort('127.0.0.1');
  const own = await startNode(t, { address: '127.0.0.2', port, key: KEY });
  const foreign = await startNode(t, { address: '127.0.0.3', port, key: Buffer.alloc(32, 8) });
  foreign.know(own);
  own.know(foreign);
  own.startAgent();
  foreign.startAgent();
  for (const [node, other] of [
    [own, foreign],
    [foreign, own],
  ] as const) {
    await until(
      'the other address is refused',
      () => node.refusals.some(({ address }) => address === other.address),
      () => ({ refusals: node.refusals, log: node.log }),
    );
    assert.deepEqual([...new Set(node.refusals.map(({ reason }) => reason))], ['gossip with another key']);
    assert.deepEqual(
      node.gossip()?.members.map(({ id }) => id),
      [node.id],
    );
  }
});

test('a Serf without encryption never becomes a member', async (t) => {
  const port = await freePort('127.0.0.1');
  const own = await startNode(t, { address: '127.0.0.2', port, key: KEY });
  own.startAgent();
  await until(
    'it runs',
    () => own.gossip()?.running === true,
    () => own.log,
  );
  const config = path.join(own.state, 'plain.json');
  const rpc = `127.0.0.1:${await freePort('127.0.0.1')}`;
  const bind = `127.0.0.4:${port}`;
  writeFileSync(config, JSON.stringify({ node_name: 'plain', bind, advertise: bind, rpc_addr: rpc }));
  const plain = spawn(
    '/usr/bin/serf',
    ['agent', `-config-file=${config}`, '-retry-interval=1s', `-retry-join=127.0.0.2:${port}`],
    { stdio: 'ignore' },
  );
  t.after(() => end(plain));
  await until(
    'it is refused',
    () => own.refusals.length > 0,
    () => own.log,
  );
  assert.equal(own.refusals[0]?.reason, 'gossip without encryption');
  assert.match(own.refusals[0]?.address ?? '', /^127\.0\.0\.\d+$/);
  assert.deepEqual(
    own.gossip()?.members.map(({ id }) => id),
    [own.id],
  );
});

for (const [what, code] of [
  ['port', 'gossip.port-busy'],
  ['rpc', 'gossip.rpc-busy'],
] as const) {
  test(`a busy port is a condition that ends with its cause: ${code}`, async (t) => {
    const port = await freePort('127.0.0.1');
    const node = await startNode(t, { address: '127.0.0.2', port, key: KEY });
    const blocker = createServer();
    const [host, number] = what === 'rpc' ? ['127.0.0.1', node.rpcPort] : ['127.0.0.2', port];
    await new Promise<void>((resolve) => blocker.listen(number, host, resolve));
    t.after(() => blocker.close());
    node.startAgent();
    await until(
      'it is told',
      () => node.conditions()[0]?.code === code,
      () => node.conditions(),
    );
    assert.match(node.conditions()[0]?.summary ?? '', new RegExp(String(number)));
    assert.equal(node.gossip()?.running, false);
    blocker.close();
    await until(
      'it is over',
      () => node.gossip()?.running === true,
      () => node.conditions(),
    );
    assert.deepEqual(node.conditions(), []);
  });
}

test('a missing program is a condition that names the package, and ends when it is there', async (t) => {
  const port = await freePort('127.0.0.1');
  let installed = false;
  const node = await startNode(t, {
    address: '127.0.0.2',
    port,
    key: KEY,
    units: (usual) => ({
      ...usual,
      start: async (spec) => {
        if (installed) return usual.start(spec);
        const message = '/usr/bin/serf is not installed';
        throw new AgentError({ code: 'unit.missing-program', exit: 'internal', message });
      },
    }),
  });
  node.startAgent();
  await until(
    'it is told',
    () => node.conditions()[0]?.code === 'gossip.missing',
    () => node.conditions(),
  );
  assert.match(node.conditions()[0]?.endedBy ?? '', /apt-get install serf/);
  installed = true;
  await until(
    'it is over',
    () => node.gossip()?.running === true,
    () => node.conditions(),
  );
});

test('a Serf that cannot start is a condition with what it said', async (t) => {
  const port = await freePort('127.0.0.1');
  const node = await startNode(t, {
    address: '127.0.0.2',
    port,
    key: KEY,
    units: (usual) => ({
      ...usual,
      start: (spec) => usual.start({ ...spec, argv: [...spec.argv, '-profile=nonsense'] }),
    }),
  });
  node.startAgent();
  await until(
    'it is told',
    () => node.conditions()[0]?.code === 'gossip.crashing',
    () => node.log,
  );
  assert.match(node.conditions()[0]?.evidence ?? '', /Unknown profile: nonsense/);
});

test('without an address on a LAN the node waits, and says so', async (t) => {
  const port = await freePort('127.0.0.1');
  const node = await startNode(t, { address: '127.0.0.2', port, key: KEY });
  node.store.set('links', []);
  node.startAgent();
  await until(
    'it is told',
    () => node.conditions()[0]?.code === 'gossip.no-address',
    () => node.conditions(),
  );
  node.move('127.0.0.2');
  await until(
    'it runs',
    () => node.gossip()?.running === true,
    () => node.conditions(),
  );
});

function end(child: ChildProcess): Promise<unknown> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  return gone;
}
