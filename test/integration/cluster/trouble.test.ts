// needs: cpu 0.4, memory 1.5 GiB
/**
 * What keeps a node from its work is told in `node-agent status`, with what would end it, and the node goes on by
 * itself when the cause is gone.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import type { Condition } from '../../../agent/status.ts';
import { PINNED_NODE } from '../../cluster/agent-bundle.ts';
import { formCluster, newKey, settled } from '../../cluster/forming.ts';
import type { Machine } from '../../cluster/machines.ts';
import type { HostMachine } from '../../cluster/namespaces/machine.ts';
import { answered } from '../../cluster/pings.ts';
import { brief } from '../../cluster/status.ts';
import { step } from '../../cluster/step.ts';
import { eventually } from '../../cluster/waits.ts';
import { withCluster } from '../../cluster/with-cluster.ts';

const WAIT_MS = 120_000;
const HOLDER = path.resolve(import.meta.dirname, '../../cluster/holder-program.ts');
const PROGRAMS = {
  serf: '/usr/bin/serf',
  wg: '/usr/bin/wg',
  'wireguard-go': '/usr/bin/wireguard-go',
  etcd: '/usr/bin/etcd',
  nft: '/usr/sbin/nft',
} as const;

test('trouble of one node is told, and ends by itself with its cause', async (t) => {
  await withCluster(t, { hosts: 3, seed: { key: newKey() } }, async (cluster) => {
    const machines = [...cluster.machines] as [HostMachine, HostMachine, HostMachine];
    const node = machines[2];
    const wholeAgain = () => settled(machines);

    await step(t, 'without a default route a cluster forms all the same', async () => {
      for (const machine of machines)
        assert.equal(await machine.must(['ip', 'route', 'show', 'default']), '');
      await formCluster(machines);
    });

    await step(
      t,
      'settings with a mistake are shown with their place, and the node goes on as before',
      async () => {
        await node.writeFile(node.paths.config, 'name: n3\nmesh:\n  prot: 51821\n');
        const found = await shows(node, 'config.invalid');
        assert.equal(found.state, 'misconfigured');
        assert.match(found.evidence ?? '', /node\.yaml:3:3: mesh\.prot: unknown key.* did you mean port\?/);
        const { gossip, consensus } = await node.agentStatus();
        assert.deepEqual([gossip?.alive, consensus?.quorum], [3, true]);
        await node.writeFile(node.paths.config, 'name: n3\n');
        await ended(node, 'config.invalid');
        await wholeAgain();
      },
    );

    await step(t, 'an interface that loses its address', async () => {
      const address = `${node.address}/16`;
      await node.must(['ip', 'address', 'del', address, 'dev', 'eth0']);
      await shows(node, 'gossip.no-address', 'link.none');
      await node.must(['ip', 'address', 'add', address, 'brd', '+', 'dev', 'eth0']);
      await ended(node, 'gossip.no-address', 'link.none');
      await wholeAgain();
    });

    await step(t, 'busy ports', async () => {
      await restart(node, async () => {
        for (const ports of [['udp/51820'], ['tcp/7946', 'udp/7946'], ['tcp/7947'], ['tcp/7373']])
          await hold(node, ports);
      });
      for (const [code, port] of [
        ['mesh.port-busy', 51820],
        ['gossip.port-busy', 7946],
        ['discovery.port-busy', 7947],
      ] as const) {
        const found = await shows(node, code);
        assert.match(found.summary, new RegExp(`\\b${port}\\b`));
        assert.match(found.endedBy, /\bss -/, 'how to find who has it');
      }
      await letGo(node, 'tcp/7946');
      await ended(node, 'gossip.port-busy');
      await letGo(node, 'tcp/7947');
      await ended(node, 'discovery.port-busy');
      await letGo(node, 'udp/51820');
      await ended(node, 'mesh.port-busy');
      assert.match((await shows(node, 'consensus.port-busy')).summary, /\b7373\b/);
      await letGo(node, 'tcp/7373');
      await ended(node, 'consensus.port-busy');
      await wholeAgain();
    });

    await step(t, 'missing programs', async () => {
      await restart(node, async () => {
        for (const program of Object.keys(PROGRAMS)) await hide(node, program as keyof typeof PROGRAMS);
      });
      for (const [code, words] of [
        ['gossip.missing', /[Ss]erf/],
        ['mesh.missing', /^wireguard-go is not installed/],
        ['firewall.missing', /nft/],
      ] as const) {
        const found = await shows(node, code);
        assert.match(found.summary, words);
        assert.match(found.endedBy, /apt-get install \S+/);
      }
      await unhide(node, 'nft');
      await ended(node, 'firewall.missing');
      await unhide(node, 'serf');
      await ended(node, 'gossip.missing');
      await unhide(node, 'wireguard-go');
      await eventually(
        'the other half of WireGuard is missed',
        async () => /^wg is not installed/.test((await shows(node, 'mesh.missing')).summary),
        { deadlineMs: WAIT_MS },
      );
      await unhide(node, 'wg');
      await ended(node, 'mesh.missing');
      assert.match((await shows(node, 'consensus.missing')).endedBy, /apt-get install etcd-server/);
      await unhide(node, 'etcd');
      await ended(node, 'consensus.missing');
      await wholeAgain();
    });

    await step(t, 'a machine whose beacons cannot leave', async () => {
      const mute = await cluster.add({
        name: 'mute',
        links: [{ network: 'lan', address: '10.99.0.77/16', multicast: false }],
      });
      const rule = 'ip daddr { 224.0.0.0/4, 255.255.255.255, 10.99.255.255 } udp dport { 5353, 7947 } drop';
      // Both ways: a beacon that comes in, by chance the moment it starts, makes it a member that needs none of its own.
      const chain = (hook: string) => `chain ${hook} { type filter hook ${hook} priority 0; ${rule}; };`;
      await mute.must(['nft', '-f', '-'], {
        input: `table inet mute { ${chain('input')} ${chain('output')} }\n`,
      });
      await mute.startAgent();
      const found = await shows(mute, 'discovery.multicast');
      assert.match(found.endedBy, /5353.*discovery\.join/);
      await mute.must(['nft', 'delete', 'table', 'inet', 'mute']);
      await ended(mute, 'discovery.multicast');
      await settled([...machines, mute]);
    });
  });
});

test('a cluster spans two LANs as far as machines have a link to both', async (t) => {
  await withCluster(t, { hosts: 0, networks: ['lan', 'other'], seed: { key: newKey() } }, async (cluster) => {
    const near = (n: number) => ({ network: 'lan', address: `10.99.0.${n}/16` });
    const far = (n: number) => ({ network: 'other', address: `10.98.0.${n}/16` });
    const both: HostMachine[] = [];
    for (const n of [1, 2, 3]) both.push(await cluster.add({ name: `both${n}`, links: [near(n), far(n)] }));
    await formCluster(both);

    await step(t, 'machines of one LAN join by those that have both', async () => {
      const left = await cluster.add({ name: 'left', links: [near(4)] });
      await left.startAgent();
      await settled([...both, left]);
      const right = await cluster.add({ name: 'right', links: [far(5)] });
      await right.startAgent();
      await right.until('takes part', ({ consensus }) => consensus?.quorum === true, WAIT_MS);
      for (const machine of both) {
        await eventually(
          'it reaches both',
          async () => {
            assert.equal(await answered(machine, 'left', 1), 1);
            return (await answered(machine, 'right', 1)) === 1;
          },
          { deadlineMs: WAIT_MS },
        );
      }
      // No one carries for another: the two of one link each say whom they miss.
      for (const [here, missed] of [
        [left, 'right'],
        [right, 'left'],
      ] as const) {
        const found = await shows(here, 'mesh.unreachable');
        assert.match(found.summary, new RegExp(`waiting for a node to answer in the mesh: ${missed} at `));
        assert.match(found.endedBy, /51820/);
      }
      for (const machine of both) assert.equal((await machine.agentStatus()).state, 'ready');
      await right.must(['node-agent', 'leave', '--yes'], { timeoutMs: 60_000 });
      await ended(left, 'mesh.unreachable');
      await left.until('is ready', ({ state }) => state === 'ready', WAIT_MS);
    });

    await step(t, 'a machine that loses one of its two LANs goes on over the other', async () => {
      const [one, two, moved] = both as [HostMachine, HostMachine, HostMachine];
      const lost = `${moved.address}/16`;
      await moved.must(['ip', 'address', 'del', lost, 'dev', 'eth0']);
      for (const machine of [one, two]) {
        await machine.until(
          `has ${moved.name} by its other address`,
          ({ state, members = [] }) =>
            state === 'ready' &&
            members.some(
              ({ name, status, lanAddress }) =>
                name === moved.name && status === 'alive' && lanAddress === '10.98.0.3',
            ),
          WAIT_MS,
        );
        assert.equal(await answered(machine, moved.name, 1), 1);
      }
      await moved.must(['ip', 'address', 'add', lost, 'brd', '+', 'dev', 'eth0']);
      await settled([...both, cluster.machine('left')]);
    });
  });
});

/** @returns the first of these that the node shows, in the status for programs and in that for people */
async function shows(machine: Machine, ...codes: readonly string[]): Promise<Condition> {
  return eventually(
    `${machine.name} shows ${codes.join(' or ')}`,
    async () => {
      const status = await machine.agentStatus();
      const found = status.conditions.find(({ code }) => codes.includes(code));
      if (found === undefined) throw new Error(brief(status));
      assert.notEqual(status.state, 'ready');
      assert.match(await machine.must(['node-agent', 'status']), new RegExp(`\\(${found.code}\\)`));
      return found;
    },
    { deadlineMs: WAIT_MS },
  );
}

async function ended(machine: Machine, ...codes: readonly string[]): Promise<void> {
  await machine.until(
    `no longer shows ${codes.join(', ')}`,
    ({ conditions }) => !conditions.some(({ code }) => codes.includes(code)),
    WAIT_MS,
  );
}

/** Off and on again; what is prepared is there before the agent. */
async function restart(machine: Machine, prepare: () => Promise<void>): Promise<void> {
  await machine.stopAgent();
  await machine.powerCut();
  await machine.powerOn();
  await prepare();
  await machine.startAgent();
}

async function hold(machine: Machine, ports: readonly string[]): Promise<void> {
  const quiet = ['bash', '-c', 'exec "$@" >/dev/null 2>&1', 'bash'];
  await machine.must(['setsid', '--fork', ...quiet, PINNED_NODE, HOLDER, ...ports]);
  const [protocol, port] = ports[0]?.split('/') ?? [];
  const list = ['ss', '-Hln', protocol === 'tcp' ? '-t' : '-u', `sport = :${port}`];
  await eventually(`${ports.join()} is held`, async () => (await machine.must(list)) !== '', {
    deadlineMs: WAIT_MS,
  });
}

async function letGo(machine: Machine, port: string): Promise<void> {
  const holder = (await machine.processes()).find(({ argv }) => argv.includes(HOLDER) && argv.includes(port));
  assert.ok(holder !== undefined);
  process.kill(holder.pid, 'SIGKILL');
}

/** As the rig's option `hide` does it: the file is there and cannot be executed. */
async function hide(machine: HostMachine, program: keyof typeof PROGRAMS): Promise<void> {
  const hidden = path.join(path.dirname(machine.paths.config), 'hidden');
  await machine.must(['mount', '--bind', hidden, PROGRAMS[program]]);
}

async function unhide(machine: Machine, program: keyof typeof PROGRAMS): Promise<void> {
  await machine.must(['umount', PROGRAMS[program]]);
}
