// needs: cpu 0.4
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { KnownCard } from '../engine/resources.ts';
import { identityFromSeed } from '../identity/identity.ts';
import { wireguardKeys } from '../identity/keys.ts';
import { knownCard, link, member } from './testing/cards.ts';
import { inNamespaces, type Machine, type RunningNode, twoMachines } from './testing/namespaces.ts';

const SEEDS = ['11'.repeat(32), '22'.repeat(32)] as const;
const LANS = ['192.168.77.1', '192.168.77.2'] as const;
const idOf = (seed: string) => identityFromSeed(Buffer.from(seed, 'hex'), new Date(0)).id;

function cardOf(index: 0 | 1, meshAddress: string, name: string): KnownCard {
  const meshKey = wireguardKeys(Buffer.from(SEEDS[index], 'hex')).publicKey.toString('base64');
  return knownCard(idOf(SEEDS[index]), { name, meshKey, meshAddress, addresses: [LANS[index]] });
}

const gossip = (index: 0 | 1) => ({ running: true, members: [member(idOf(SEEDS[index]), LANS[index])] });
const pings = (machine: Machine, to: string) => machine.status('ping', '-c1', '-W5', to) === 0;
const handshake = (node: RunningNode) => node.last.mesh?.peers[0]?.handshakeAge === 0;
const indexOf = (machine: Machine) => machine.run('ip', '-o', 'link', 'show', 'wg0').split(':')[0];
const stampOf = (machine: Machine) => machine.run('wg', 'show', 'wg0', 'latest-handshakes');

/** As an agent does it that starts with the order to forget everything. */
function reset(machine: Machine): void {
  const from = (file: string) => JSON.stringify(path.join(import.meta.dirname, '..', file));
  const environment = {
    CLUSTEROS_STATE_DIR: `${machine.folder}/state`,
    CLUSTEROS_RUN_DIR: `${machine.folder}/run`,
    CLUSTEROS_HOSTS_FILE: `${machine.folder}/hosts`,
  };
  const script = `
    import { finishReset } from ${from('reset.ts')};
    import { createLog } from ${from('log.ts')};
    import { pathsFrom } from ${from('paths.ts')};
    import { requestReset } from ${from('operations/reset.ts')};
    const paths = pathsFrom(${JSON.stringify(environment)});
    await requestReset(paths, new Date());
    await finishReset({ paths, environment: {}, log: createLog({ write: () => {} }) });`;
  machine.run(process.execPath, '--input-type=module', '-e', script);
}

inNamespaces(import.meta.filename, () => {
  let machines: [Machine, Machine];
  let nodes: [RunningNode, RunningNode];
  let addresses: [string, string];

  before(async () => {
    machines = await twoMachines();
    writeFileSync(`${machines[0].folder}/hosts`, '127.0.0.1 localhost\n# mine', { mode: 0o640 });
    nodes = [machines[0].start(SEEDS[0], { name: 'alpha' }), machines[1].start(SEEDS[1], { name: 'beta' })];
    for (const node of nodes) await node.until('mesh', ({ last }) => last.mesh?.ready === true);
    addresses = nodes.map(({ last }) => last.mesh?.address ?? '') as [string, string];
    await meet(0);
    await meet(1);
  });

  /** Tell a node of the other one. */
  async function meet(index: 0 | 1): Promise<void> {
    const other = index === 0 ? 1 : 0;
    const cards = [cardOf(other, addresses[other], ['alpha', 'beta'][other] ?? '')];
    await nodes[index].command({
      set: { cards, gossip: gossip(other), links: [link(LANS[index], 24)] },
    });
  }

  after(async () => {
    for (const node of nodes) await node.kill();
  });

  test('two nodes that know each other shake hands and ping over the mesh', async () => {
    for (const node of nodes) await node.until('handshake', handshake);
    assert.ok(pings(machines[0], addresses[1]) && pings(machines[1], addresses[0]));
    assert.equal(nodes[0].last.mesh?.driver, 'wireguard-go');
    assert.match(
      machines[0].run('ip', 'address', 'show', 'wg0'),
      new RegExp(`mtu 1420[\\s\\S]*${addresses[0]}/16`),
    );
    assert.equal(statSync(`${machines[0].folder}/run/wireguard.conf`).mode & 0o777, 0o600);
  });

  test('both names are in the hosts file, which keeps its inode, its mode and what else it holds', async () => {
    const file = `${machines[0].folder}/hosts`;
    const text = () => readFileSync(file, 'utf8');
    await nodes[0].until('names', () => text().includes(' beta beta.clusteros.internal\n'));
    assert.match(text(), new RegExp(`${addresses[0]} alpha alpha\\.clusteros\\.internal\n`));
    assert.ok(text().endsWith('127.0.0.1 localhost\n# mine'));
    assert.equal(statSync(file).mode & 0o777, 0o640);
  });

  test('the firewall lets the LAN in at the open ports only, and the mesh everywhere', async () => {
    const open = (at: string, port: number) => {
      const script = `require('net').connect(${port},'${at}').on('connect',()=>process.exit(0)).on('error',()=>process.exit(1));setTimeout(()=>process.exit(2),5000)`;
      return machines[1].status(process.execPath, '-e', script);
    };
    await nodes[0].until('rules', () =>
      machines[0].run('nft', 'list', 'ruleset').includes('table inet clusteros'),
    );
    // Nobody listens: a refusal comes through, a dropped packet brings nothing.
    assert.equal(open(LANS[0], 22), 1);
    assert.equal(open(LANS[0], 7946), 1);
    assert.equal(open(LANS[0], 7374), 2);
    assert.equal(open(addresses[0], 7374), 1);
    assert.ok(pings(machines[1], LANS[0]));
  });

  test('a new peer and a service address disturb no session, and the address moves with its holder', async () => {
    const stamp = stampOf(machines[0]);
    await nodes[1].command({ hold: '10.42.255.1' });
    await nodes[1].command({ hold: '10.42.255.1' });
    const holders = [{ role: 'r', id: idOf(SEEDS[1]), fence: '5', since: '', address: '10.42.255.1' }];
    const registry = { nodes: [], addresses: {}, names: {}, holders, evicted: [], tokens: [] };
    const cards = [cardOf(1, addresses[1], 'beta'), knownCard('third', { meshAddress: '10.42.0.77' })];
    await nodes[0].command({ set: { registry, cards } });
    await nodes[0].until('allowed IP', () =>
      machines[0].run('wg', 'show', 'wg0', 'allowed-ips').includes('10.42.255.1/32'),
    );
    assert.ok(pings(machines[0], '10.42.255.1'));
    assert.ok(stampOf(machines[0]).includes(stamp.trim()));
    await nodes[1].command({ release: '10.42.255.1' });
    assert.ok(!machines[1].run('ip', 'address', 'show', 'wg0').includes('10.42.255.1'));
    assert.ok(!pings(machines[0], '10.42.255.1'));
    await nodes[0].command({ set: { registry: { ...registry, holders: [] }, cards: cards.slice(0, 1) } });
    await nodes[0].until('two peers again', ({ last }) => last.mesh?.peers.length === 1);
  });

  test('a killed agent finds interface and session as it left them, and drops what it does not hold', async () => {
    await nodes[1].command({ hold: '10.42.255.2' });
    const [stamp, index] = [stampOf(machines[1]), indexOf(machines[1])];
    await nodes[1].kill();
    assert.ok(pings(machines[0], addresses[1]));
    nodes[1] = machines[1].start(SEEDS[1], { name: 'beta' });
    await nodes[1].until('mesh', ({ last }) => last.mesh?.ready === true);
    assert.ok(pings(machines[1], addresses[0]), 'the peer stays until the cards are known again');
    await meet(1);
    await nodes[1].until('handshake', handshake);
    assert.equal(nodes[1].last.mesh?.address, addresses[1]);
    assert.equal(indexOf(machines[1]), index);
    assert.ok(stampOf(machines[1]) >= stamp);
    assert.ok(!machines[1].run('ip', 'address', 'show', 'wg0').includes('10.42.255.2'));
  });

  test('a service address goes when its time is over, also while the agent is suspended, and does not come back', async () => {
    const has = () => machines[1].run('ip', 'address', 'show', 'wg0').includes('10.42.255.3');
    await nodes[1].command({ hold: '10.42.255.3', holdMs: 3_500 });
    await nodes[1].command({ hold: '10.42.255.3', holdMs: 6_500 });
    assert.ok(has());
    const startMs = performance.now();
    nodes[1].process.kill('SIGSTOP');
    await nodes[1].until('end of the address', () => !has());
    const spentMs = performance.now() - startMs;
    nodes[1].process.kill('SIGCONT');
    assert.ok(spentMs > 2_000 && spentMs < 6_500, `${spentMs} ms`);
    // It makes the interface anew, with the addresses that it holds.
    machines[1].run('ip', 'link', 'delete', 'wg0');
    await nodes[1].until('ping', () => pings(machines[1], addresses[0]));
    assert.ok(!has());
  });

  test('a service address whose time is over, or nearly, is not given', async () => {
    const has = () => machines[1].run('ip', 'address', 'show', 'wg0').includes('10.42.255.5');
    for (const holdMs of [0, 1_900]) {
      await nodes[1].command({ hold: '10.42.255.5', holdMs });
      assert.ok(!has(), `${holdMs} ms`);
    }
    await nodes[1].command({ hold: '10.42.255.5', holdMs: 60_000 });
    const [, left = ''] =
      /10\.42\.255\.5\/32.*\n\s+valid_lft (\d+)sec/.exec(machines[1].run('ip', 'address', 'show', 'wg0')) ??
      [];
    assert.ok(Number(left) > 40 && Number(left) < 60, `${left} s`);
    await nodes[1].command({ release: '10.42.255.5' });
  });

  test('an agent that is suspended while it extends a service address does not bring it back', async () => {
    const has = () => machines[1].run('ip', 'address', 'show', 'wg0').includes('10.42.255.4');
    for (let round = 0; round < 5; round++) {
      await nodes[1].command({ renew: '10.42.255.4' });
      await nodes[1].until('the address', has);
      await delay(20 + 10 * round);
      nodes[1].process.kill('SIGSTOP');
      // Its lease is over by then, and so is the time that a program gave it that had begun before.
      await delay(3_000);
      await nodes[1].until('end of the address', () => !has());
      nodes[1].process.kill('SIGCONT');
      for (const startMs = performance.now(); performance.now() - startMs < 500; ) {
        assert.ok(!has(), `it is back, ${performance.now() - startMs} ms after its agent (round ${round})`);
      }
      await nodes[1].command({ release: '10.42.255.4' });
    }
  });

  test('an interface that somebody removed comes back', async () => {
    machines[1].run('ip', 'link', 'delete', 'wg0');
    const there = () => machines[1].status('ip', 'link', 'show', 'wg0') === 0;
    await nodes[1].until('interface', there);
    await nodes[1].until('ping', () => pings(machines[1], addresses[0]));
  });

  test('a mesh at rest says nothing new', async () => {
    for (const node of nodes) await node.until('handshake', handshake);
    const said = nodes[0].last.meshReports;
    await nodes[0].command({ set: { gossip: { ...gossip(1), advertise: 'x' } } });
    await nodes[0].command({ set: { gossip: gossip(1) } });
    assert.equal(nodes[0].last.meshReports, said);
  });

  test('where large packets are lost on the way both nodes lower the MTU until all pass', async (t) => {
    const mtu = (machine: Machine) => Number(/mtu (\d+)/.exec(machine.run('ip', 'link', 'show', 'wg0'))?.[1]);
    // As a vSwitch or a tunnel does it: without a word to the sender.
    for (const machine of machines) {
      t.after(() => machine.run('nft', 'delete table inet small'));
      machine.run('nft', 'add table inet small');
      machine.run('nft', 'add chain inet small in { type filter hook prerouting priority -400; }');
      machine.run('nft', 'add rule inet small in iifname eth0 meta length gt 1400 drop');
    }
    for (const index of [0, 1] as const) {
      await nodes[index].kill();
      nodes[index] = machines[index].start(SEEDS[index], { name: ['alpha', 'beta'][index] });
      await nodes[index].until('mesh', ({ last }) => last.mesh?.ready === true);
      await meet(index);
    }
    for (const index of [0, 1] as const) {
      await nodes[index].until('a lower MTU', () => mtu(machines[index]) === 1328, 120_000);
      await nodes[index].until('it in the status', ({ last }) => last.mesh?.mtu === 1328);
    }
    const large = ['ping', '-c1', '-W5', '-M', 'do', '-s', String(1328 - 28), addresses[1]];
    assert.equal(machines[0].status(...large), 0);
  });

  test('an interface with another name takes the place of the former one', async () => {
    await nodes[1].kill();
    nodes[1] = machines[1].start(SEEDS[1], { name: 'beta', mesh: { interface: 'mesh7' } });
    await nodes[1].until('mesh', ({ last }) => last.mesh?.ready === true);
    await meet(1);
    await nodes[1].until('ping', () => pings(machines[1], addresses[0]));
    assert.notEqual(machines[1].status('ip', 'link', 'show', 'wg0'), 0);
  });

  test('a reset removes the interface that the settings named, and no stranger called wg0', async () => {
    await nodes[1].kill();
    machines[1].run('ip', 'tuntap', 'add', 'dev', 'wg0', 'mode', 'tun');
    reset(machines[1]);
    assert.notEqual(machines[1].status('ip', 'link', 'show', 'mesh7'), 0);
    assert.equal(machines[1].status('ip', 'link', 'show', 'wg0'), 0);
  });

  test('a node that leaves takes interface, program, names and rules away', async () => {
    await nodes[0].command({ tearDown: true });
    assert.notEqual(machines[0].status('ip', 'link', 'show', 'wg0'), 0);
    assert.equal(machines[0].run('nft', 'list', 'ruleset'), '');
    assert.equal(readFileSync(`${machines[0].folder}/hosts`, 'utf8'), '127.0.0.1 localhost\n# mine');
  });
});
