// needs: cpu 0.8, memory 1.5 GiB
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';
import { clock } from '../../../build/host.ts';
import { PINNED_NODE } from '../../cluster/agent-bundle.ts';
import type { Machine } from '../../cluster/machines.ts';
import { createNamespaceCluster } from '../../cluster/namespaces/cluster.ts';
import { inhabitants, namespaceOf, processesBeside, stillAlive } from '../../cluster/namespaces/processes.ts';
import { allReach, answered } from '../../cluster/pings.ts';
import { transcribe } from '../../cluster/transcript.ts';
import { eventually, throughout } from '../../cluster/waits.ts';
import { withCluster } from '../../cluster/with-cluster.ts';
import { assertNothingRuns } from '../../traces.ts';

type Two = readonly [Machine, Machine];
type Three = readonly [Machine, Machine, Machine];

test('five hosts have their own names and reach each other', async (t) => {
  const startMs = clock.monotonicMs();
  await withCluster(t, { hosts: 5 }, async (cluster) => {
    const spentMs = clock.monotonicMs() - startMs;
    t.diagnostic(`up after ${spentMs.toFixed(0)} ms`);
    assert.deepEqual(
      cluster.machines.map(({ name, address }) => `${name} ${address}`),
      ['n1 10.99.0.1', 'n2 10.99.0.2', 'n3 10.99.0.3', 'n4 10.99.0.4', 'n5 10.99.0.5'],
    );
    for (const machine of cluster.machines) {
      assert.equal(await machine.must(['uname', '-n']), `${machine.name}\n`);
    }
    await allReach(
      cluster.machines,
      cluster.machines.map(({ address }) => address),
    );
    assert.equal(await cluster.machine('n1').must(['ip', 'route', 'show', 'default']), '');
  });
});

test('a host has its own names, /run and /tmp, and cannot write to the machine of the tests', async (t) => {
  await withCluster(t, { hosts: 2 }, async (cluster) => {
    const [one, two] = [cluster.machine('n1'), cluster.machine('n2')];
    await one.writeFile('/etc/hosts', `127.0.0.1 localhost\n${two.address} neighbour\n`);
    assert.equal(await answered(one, 'neighbour', 1), 1);
    assert.notEqual((await two.exec(['getent', 'ahostsv4', 'neighbour'])).code, 0);

    await one.must(['tee', '/run/here', '/tmp/here'], { input: 'one' });
    assert.equal(await one.readText('/run/here'), 'one');
    assert.equal(await one.readText('/tmp/here'), 'one');
    assert.equal((await two.exec(['ls', '/run/here'])).code, 2);
    assert.ok(!existsSync('/run/here') && !existsSync('/tmp/here'));

    const refused = await one.exec(['tee', '/var/lib/clusteros-rig-test']);
    assert.match(refused.stderr, /Read-only file system/);
    await assert.rejects(
      one.writeFile('/etc/clusteros-rig-test', ''),
      /shares .* with the machine of the tests/,
    );
    assert.deepEqual(await one.processes(), []);
  });
});

test('a partition cuts every protocol in both directions at once, and heals', async (t) => {
  await withCluster(t, { hosts: 3, rigAddress: '10.99.255.254/16' }, async (cluster) => {
    const [one, two, three] = cluster.machines as unknown as Three;
    // Every IPv6 host of the link answers to this group; the address of n1 follows from its MAC address.
    const multicast = ['ping', '-c', '2', '-i', '0.2', '-W', '1', 'ff02::1%eth0'];
    const heardByMulticast = async () =>
      (await three.exec(multicast)).stdout.includes('from fe80::63:ff:fe00:1%');
    const whole = async () =>
      (await heardByMulticast()) &&
      (await answered(one, three.address)) + (await answered(two, one.address)) === 2;
    await eventually('all hear all', whole, { deadlineMs: 120_000 });

    await cluster.partition([[one, two], [three]]);
    assert.equal(await answered(one, three.address), 0);
    assert.equal(await answered(three, one.address), 0);
    assert.equal(await answered(one, two.address), 1);
    assert.equal(await heardByMulticast(), false);
    // Without the entry, nothing answers the question for it either.
    await one.must(['ip', 'neigh', 'flush', 'dev', 'eth0']);
    assert.equal(await answered(one, three.address), 0);
    assert.match(await one.must(['ip', 'neigh', 'show', three.address]), /INCOMPLETE|FAILED/);
    assert.match(await one.must(['ip', '-br', 'link', 'show', 'eth0']), /LOWER_UP/);
    await cluster.inRig(['ping', '-c', '1', '-W', '2', three.address]);

    await cluster.partition([[two, three]]);
    assert.equal(await answered(one, two.address), 0, 'a machine in no group is alone');
    await cluster.heal();
    await eventually('all hear all again', whole, { deadlineMs: 120_000 });
  });
});

test('loss, rate and pulled cables do what they say', async (t) => {
  await withCluster(t, { hosts: 2 }, async (cluster) => {
    const [one, two] = cluster.machines as unknown as Two;
    // So that no ARP is lost, which would cost a second of pings.
    assert.equal(await answered(one, two.address), 1);
    await cluster.loss(30);
    // There and back: 0.7 x 0.7; the bounds are five standard deviations off.
    const share = await answered(one, two.address, 500);
    assert.ok(share > 0.38 && share < 0.6, `${share} came back`);
    await cluster.heal();

    const large = ['ping', '-n', '-c', '1', '-W', '5', '-s', '30000', two.address];
    const rtt = async () => Number(/time=([\d.]+)/.exec(await one.must(large))?.[1]);
    assert.ok((await rtt()) < 50);
    await cluster.rate(1000);
    assert.ok((await rtt()) > 100, 'less than 100 ms for 30 KB at 1 Mbit/s');
    await cluster.heal();
    assert.ok((await rtt()) < 50);

    await cluster.cutLink(two);
    assert.match(await two.must(['ip', '-br', 'link', 'show', 'eth0']), /NO-CARRIER/);
    assert.equal(await answered(one, two.address), 0);
    await cluster.restoreLink(two);
    await eventually('the cable is back', async () => (await answered(one, two.address)) === 1, {
      deadlineMs: 120_000,
    });
  });
});

test('a power cut ends everything at once, and the disk survives it', async (t) => {
  await withCluster(t, { hosts: 2, diskMiB: 8 }, async (cluster) => {
    const [one, two] = [cluster.machine('n1'), cluster.machine('n2')];
    const { init } = one;
    const space = namespaceOf(init, 'pid') ?? '';
    const sleepers = Array.from({ length: 10 }, () => one.exec(['sleep', '1000']));
    // One that has left its parent, as the engines do.
    await one.must(['setsid', '--fork', 'sleep', '1000']);
    await eventually('all sleep', async () => (await one.processes()).length === 11, { deadlineMs: 120_000 });
    const file = path.join(one.paths.state, 'kept');
    await one.writeFile(file, 'kept');
    await one.writeFile('/run/gone', 'gone');
    const mac = await one.must(['cat', '/sys/class/net/eth0/address']);
    const lived = inhabitants(new Set([space]));
    assert.ok(lived.length >= 12, JSON.stringify(lived));

    await one.powerCut();
    assert.deepEqual(stillAlive(lived), []);
    for (const { code } of await Promise.all(sleepers)) assert.notEqual(code, 0);
    assert.equal(await one.readText(file), 'kept');
    assert.equal(await answered(two, one.address), 0);
    await assert.rejects(one.exec(['true']), /n1 is off/);

    await one.powerOn();
    assert.equal(await one.must(['cat', file]), 'kept');
    assert.equal((await one.exec(['ls', '/run/gone'])).code, 2);
    assert.equal(await one.must(['cat', '/sys/class/net/eth0/address']), mac);
    await eventually('it is back', async () => (await answered(two, one.address)) === 1, {
      deadlineMs: 120_000,
    });

    await one.fillDisk();
    const full = await one.exec(['tee', path.join(one.paths.state, 'more')], { input: 'x' });
    assert.match(full.stderr, /No space left/);
    await one.freeDisk();
    await one.must(['tee', path.join(one.paths.state, 'more')], { input: 'x' });
  });
});

test('the agent runs in each host as the node that it is there', async (t) => {
  const key = Buffer.alloc(32, 7).toString('base64');
  await withCluster(t, { hosts: 2, seed: { key }, agentClock: true }, async (cluster) => {
    const [one, two] = cluster.machines as unknown as Two;
    await Promise.all(cluster.machines.map((machine) => machine.startAgent()));
    const [first, second] = await Promise.all(
      cluster.machines.map((machine) =>
        machine.until('holds the key', (status) => status.cluster.keyFingerprint !== undefined, 30_000),
      ),
    );
    assert.ok(first?.id !== undefined && second?.id !== undefined && first.id !== second.id);
    assert.equal(first.name, 'n1');
    assert.match(await one.must(['node-agent', 'status', '--json']), new RegExp(first.id));

    await two.killAgent();
    assert.equal(two.agentExit(), 'SIGKILL');
    await assert.rejects(two.agentStatus());
    await two.shiftClock(-3600_000);
    await two.startAgent();
    const shifted = await two.until('is up again', ({ id }) => id !== undefined, 30_000);
    const behindMs = clock.wallClock().getTime() - Date.parse(shifted.startedAt);
    assert.ok(behindMs > 3_590_000 && behindMs < 3_700_000, `${behindMs} ms behind`);
    assert.equal(shifted.id, second.id);

    await two.powerCut();
    await cluster.copyState(one, two);
    await two.powerOn();
    await two.until('is a clone', ({ id }) => id === first.id, 30_000);
    await two.stopAgent();
    assert.equal(two.agentExit(), 'code 0');
    await two.wipe();
    assert.equal((await two.exec(['ls', two.paths.state])).code, 2);

    const page = await transcribe(cluster, 'a page of the rig');
    assert.match(page, /^\d\d:\d\d:\d\d\.\d{3} n1 .*"event":"starting"/m);
    assert.match(page, /^n2 no status/m);
    assert.match(page, new RegExp(`^n1 \\d+ ${PINNED_NODE} `, 'm'));
  });
});

test('a host may have another address, two networks, or lack a program', async (t) => {
  await withCluster(t, { hosts: 2, networks: ['lan', 'other'] }, async (cluster) => {
    const [one, two] = [cluster.machine('n1'), cluster.machine('n2')];
    await two.readdress('10.99.7.7');
    assert.equal(two.address, '10.99.7.7');
    assert.equal(await answered(one, '10.99.7.7'), 1);
    assert.equal(await answered(one, '10.99.0.2'), 0);

    const both = await cluster.add({
      name: 'both',
      links: [
        { network: 'lan', address: '10.99.0.9/16', multicast: false },
        { network: 'other', address: '10.98.0.9/16' },
      ],
      hide: ['serf'],
    });
    const far = await cluster.add({ links: [{ network: 'other', address: '10.98.0.1/16' }] });
    assert.equal(await answered(both, one.address), 1);
    assert.equal(await answered(both, far.address), 1);
    assert.equal((await one.exec(['ping', '-c', '1', '-W', '1', far.address])).code, 2, 'no route');
    assert.doesNotMatch(await both.must(['ip', 'link', 'show', 'eth0']), /MULTICAST/);
    await assert.rejects(both.exec(['serf', 'version']).then(({ code }) => assert.equal(code, 0)));
    await one.must(['serf', 'version']);
  });
});

test('two rigs at once do not disturb each other, and leave nothing behind', async () => {
  const rigs = await Promise.all([
    createNamespaceCluster({ hosts: 2 }),
    createNamespaceCluster({ hosts: 2, diskMiB: 4 }),
  ]);
  const [first, second] = rigs;
  const spaces = new Set<string>();
  let lived: ReturnType<typeof inhabitants> = [];
  try {
    await first.loss(100);
    assert.equal(await answered(first.machine('n1'), '10.99.0.2'), 0);
    assert.equal(await answered(second.machine('n1'), '10.99.0.2'), 1);
    await first.machine('n1').must(['setsid', '--fork', 'sleep', '1000']);
    for (const { machines, rig } of rigs) {
      for (const pid of [rig.init, ...machines.map(({ init }) => init)]) {
        for (const kind of ['net', 'mnt', 'pid'] as const) spaces.add(namespaceOf(pid, kind) ?? '');
      }
    }
    assert.equal(spaces.size, 18);
    lived = inhabitants(spaces);
    await first.dispose();
    assert.equal(await answered(second.machine('n1'), '10.99.0.2'), 1);
  } finally {
    await Promise.all(rigs.map((each) => each.dispose()));
  }
  assert.deepEqual(stillAlive(lived), []);
  for (const { rig } of rigs) {
    await assertNothingRuns(rig.folder);
    assert.ok(!existsSync(rig.folder));
  }
});

test('a rig whose test is killed with -9 goes with it', async () => {
  const script = `
    import { createNamespaceCluster } from '${path.resolve(import.meta.dirname, '../../cluster/namespaces/cluster.ts')}';
    const cluster = await createNamespaceCluster({ hosts: 2, diskMiB: 4 });
    await cluster.machine('n1').must(['setsid', '--fork', 'sleep', '1000']);
    await cluster.machine('n2').startAgent();
    process.stdout.write(cluster.rig.folder + ' ' + cluster.machine('n1').init + '\\n');`;
  const child = spawn(PINNED_NODE, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = await new Promise<string>((resolve) =>
    child.stdout.once('data', (text) => resolve(String(text))),
  );
  const [folder = '', init] = said.trim().split(' ');
  assert.ok(existsSync(folder), said);
  assert.equal(processesBeside(Number(init)).length, 1);
  const lived = inhabitants(new Set([namespaceOf(Number(init), 'net') ?? '']));
  assert.ok(lived.length >= 2, JSON.stringify(lived));
  child.kill('SIGKILL');
  await eventually('its folder is gone', () => !existsSync(folder), { deadlineMs: 120_000 });
  await assertNothingRuns(folder);
  assert.deepEqual(stillAlive(lived), []);
});

test('fifty hosts are up, and reach each other', async (t) => {
  const startMs = clock.monotonicMs();
  await withCluster(t, { hosts: 50 }, async (cluster) => {
    const spentMs = clock.monotonicMs() - startMs;
    t.diagnostic(`up after ${spentMs.toFixed(0)} ms`);
    assert.equal(await answered(cluster.machine('n1'), cluster.machine('n50').address, 1), 1);
  });
});

test('a wait in vain says what it waited for and what it last saw', async () => {
  const inVain = eventually('the moon', () => assert.fail('clouds'), { deadlineMs: 30, everyMs: 10 });
  await assert.rejects(inVain, /^Error: waited \d\.\d s for: the moon; last seen: clouds/);
  let looks = 3;
  const broken = throughout('the peace', () => --looks > 0, { forMs: 5_000, everyMs: 1 });
  await assert.rejects(broken, /no longer after \d\.\d s: the peace; seen: false/);
});
