// needs: cpu 0.4
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, test } from 'node:test';
import { knownCard, link } from './testing/cards.ts';
import { inNamespaces, type Machine, type RunningNode, twoMachines } from './testing/namespaces.ts';

const SEED = '33'.repeat(32);
const has = (code: string) => (node: RunningNode) => node.last.codes.includes(code);
const isReady = ({ last }: RunningNode) => last.mesh?.ready === true && last.codes.length === 0;

inNamespaces(import.meta.filename, () => {
  let machine: Machine;
  let node: RunningNode | undefined;

  beforeEach(async () => {
    [machine] = await twoMachines();
  });
  afterEach(async () => {
    await node?.kill();
    node = undefined;
  });

  /** Put a folder of links in the place of one of programs, without one of them. */
  function hide(folder: string, program: string): void {
    const [real, links] = [`/run/real${folder}`, `/run/links${folder}`];
    const script = `mkdir -p ${real} ${links} && mount --bind ${folder} ${real} && ln -s ${real}/* ${links}/
      rm ${links}/${program} && mount --bind ${links} ${folder}`;
    machine.run('sh', '-c', script);
  }

  test('a busy port is told, and the mesh comes up once it is free', async () => {
    const script = "require('dgram').createSocket('udp4').bind(51820,()=>console.log(1))";
    const words = ['-t', machine.pid, '--net', '--', process.execPath, '-e', script];
    const squatter = spawn('nsenter', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => squatter.stdout.once('data', resolve));
    node = machine.start(SEED);
    await node.until('condition', has('mesh.port-busy'));
    assert.equal(node.last.mesh?.ready, false);
    assert.match(node.last.mesh?.address ?? '', /^10\.42\./);
    squatter.kill('SIGKILL');
    await node.until('mesh', isReady);
  });

  test('without /dev/net/tun the node says so, and goes on once it is there', async () => {
    machine.run('mount', '-t', 'tmpfs', 'tmpfs', '/dev/net');
    node = machine.start(SEED);
    await node.until('condition', has('mesh.no-tun'));
    machine.run('umount', '/dev/net');
    await node.until('mesh', isReady);
  });

  test('missing programs are told with their packages', async () => {
    hide('/usr/bin', 'wg');
    hide('/usr/sbin', 'nft');
    node = machine.start(SEED);
    await node.until('condition', has('mesh.missing'));
    await node.until('condition', has('firewall.missing'));
    machine.run('umount', '-l', '/usr/bin');
    machine.run('umount', '-l', '/usr/sbin');
    await node.until('mesh', isReady);
  });

  test('an agent without CAP_NET_ADMIN says what it needs', async () => {
    node = machine.start(SEED, {}, ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-all']);
    await node.until('condition', has('mesh.permission'));
    await node.until('condition', has('firewall.permission'));
  });

  test('a LAN inside the range is a mistake of the settings, until it is gone', async () => {
    node = machine.start(SEED);
    await node.command({ set: { links: [link('10.42.3.4', 24)] } });
    await node.until('condition', has('mesh.range-conflict'));
    await node.command({ set: { links: [link('192.168.77.1', 24)] } });
    await node.until('mesh', isReady);
  });

  test('an interface of somebody else is not touched', async () => {
    for (const words of ['link add wg0 type bridge', 'tuntap add dev wg0 mode tun']) {
      machine.run('ip', ...words.split(' '));
      machine.run('ip', 'address', 'add', '10.9.9.9/24', 'dev', 'wg0');
      node = machine.start(SEED);
      await node.until('condition', has('mesh.interface-taken'));
      assert.match(machine.run('ip', 'address', 'show', 'wg0'), /10\.9\.9\.9\/24/);
      machine.run('ip', 'link', 'delete', 'wg0');
      await node.until('mesh', isReady);
      await node.command({ tearDown: true });
    }
  });

  test('a damaged claim stops nothing, is told, and is replaced once the registry has confirmed the address', async () => {
    mkdirSync(`${machine.folder}/state`);
    writeFileSync(`${machine.folder}/state/mesh.json`, '{"version":1,"addr');
    node = machine.start(SEED);
    await node.until('mesh', ({ last }) => last.mesh?.ready === true && last.codes.includes('mesh.claim'));
    const { address = '', id = '' } = { address: node.last.mesh?.address, id: machine.idOf(SEED) };
    const registry = {
      nodes: [],
      addresses: { [address]: id },
      names: {},
      holders: [],
      evicted: [],
      tokens: [],
    };
    await node.command({ set: { registry } });
    await node.until('mesh', isReady);
    assert.equal(JSON.parse(readFileSync(`${machine.folder}/state/mesh.json`, 'utf8')).address, address);
  });

  test('a node that loses its address to another moves, and keeps the new one over a restart', async () => {
    node = machine.start(SEED);
    await node.until('mesh', isReady);
    const before = node.last.mesh?.address ?? '';
    await node.command({ set: { cards: [knownCard('1', { meshAddress: before })] } });
    await node.until(
      'other address',
      ({ last }) => last.mesh?.ready === true && last.mesh.address !== before,
    );
    const moved = node.last.mesh?.address ?? '';
    assert.match(machine.run('ip', 'address', 'show', 'wg0'), new RegExp(`${moved}/16`));
    assert.doesNotMatch(machine.run('ip', 'address', 'show', 'wg0'), new RegExp(`${before}/16`));
    await node.kill();
    node = machine.start(SEED);
    await node.until('mesh', isReady);
    assert.equal(node.last.mesh?.address, moved);
  });

  test('the hosts file may be missing, and may be mounted on its own', async () => {
    const file = `${machine.folder}/hosts`;
    rmSync(file, { force: true });
    writeFileSync(`${machine.folder}/real`, 'x\n');
    writeFileSync(file, '');
    machine.run('mount', '--bind', `${machine.folder}/real`, file);
    node = machine.start(SEED, { name: 'me' });
    const real = () => readFileSync(`${machine.folder}/real`, 'utf8');
    await node.until('names', () => /me\.clusteros\.internal\n[\s\S]*x\n$/.test(real()));
  });
});
