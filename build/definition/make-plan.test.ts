import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { OperatorError } from '../errors.ts';
import type { HostFacts } from './host-facts.ts';
import type { Definition } from './load.ts';
import { makePlan, makePlans } from './make-plan.ts';
import { TARGETS } from './plan.ts';
import { definitionSchema } from './schema.ts';

const HOST: HostFacts = { family: 'debian', aptSources: [], sourceDateEpoch: undefined };
const OWN_MIRROR: HostFacts = {
  ...HOST,
  aptSources: [{ uri: 'http://own/debian', suite: 'bookworm', components: ['main'] }],
};

function define(input: object = {}, files: Definition['files'] = []): Definition {
  return { ...definitionSchema.parse(input), files, origin: 'cluster.yaml' };
}

test('the base is the flag, else the definition, else of the family of the host', () => {
  assert.equal(makePlan(define(), HOST).base.name, 'debian-13');
  assert.equal(makePlan(define(), { ...HOST, family: 'ubuntu' }).base.name, 'ubuntu-24.04');
  assert.equal(makePlan(define({ base: 'debian-12' }), HOST).base.name, 'debian-12');
  assert.equal(
    makePlan(define({ base: 'debian-12' }), HOST, { base: 'ubuntu-26.04' }).base.name,
    'ubuntu-26.04',
  );
});

test('the mirror is the flag, else the snapshot or the definition, else of the host, else of the profile', () => {
  const seen = (definition: Definition, host: HostFacts, mirror?: string) => {
    const { apt } = makePlan(definition, host, { mirror });
    return [apt.mirror, apt.securityMirror, apt.mirrorSetBy];
  };
  const own = define({ base: { mirror: 'http://def/debian/' } });
  assert.deepEqual(seen(own, OWN_MIRROR, 'http://flag/debian/'), [
    'http://flag/debian',
    'http://flag/debian-security',
    'the flag --mirror',
  ]);
  assert.deepEqual(seen(own, OWN_MIRROR), [
    'http://def/debian',
    'http://def/debian-security',
    'base.mirror in cluster.yaml',
  ]);
  assert.deepEqual(seen(define(), OWN_MIRROR), [
    'http://own/debian',
    'http://own/debian-security',
    "the host's own apt sources",
  ]);
  assert.deepEqual(seen(define(), HOST), [
    'http://deb.debian.org/debian',
    'http://deb.debian.org/debian-security',
    'the default of debian-13',
  ]);
  const [snapshot = '', security] = seen(define({ base: { snapshot: '20260101T000000Z' } }), OWN_MIRROR);
  assert.equal(snapshot, 'http://snapshot.debian.org/archive/debian/20260101T000000Z');
  assert.equal(security, 'http://snapshot.debian.org/archive/debian-security/20260101T000000Z');
});

test("the host's mirror is not asked for another distribution's packages", () => {
  assert.equal(
    makePlan(define({ base: 'ubuntu-24.04' }), OWN_MIRROR).apt.mirror,
    'http://archive.ubuntu.com/ubuntu',
  );
});

test('the suites are those of the release, and firmware is not taken into a virtual machine', () => {
  const { apt } = makePlan(define({ base: 'debian-12' }), HOST);
  assert.deepEqual(
    apt.suites.map(({ uri, suite }) => `${uri} ${suite}`),
    [
      'http://deb.debian.org/debian bookworm',
      'http://deb.debian.org/debian bookworm-updates',
      'http://deb.debian.org/debian-security bookworm-security',
    ],
  );
  assert.deepEqual(apt.components, ['main']);
});

test('the packages are the union of layers and definition, sorted and each once', () => {
  const { packages } = makePlan(define({ packages: ['zsh', 'openssh-server', 'htop'] }), HOST);
  assert.deepEqual(packages, [...new Set(packages)].sort());
  for (const name of ['zsh', 'htop', 'serf', 'wireguard-tools']) assert.ok(packages.includes(name), name);
});

test('the settings of the node are a file of the image, and a file of the definition replaces a layer’s', () => {
  const layered = makePlan(define(), HOST).files[0];
  assert.ok(layered);
  const own = { path: layered.path, mode: 0o600, text: 'own' };
  const definition = define({ name: 'lab', node: { mesh: { port: 5182 }, consensus: { expect: 3 } } }, [own]);
  const plan = makePlan(definition, HOST);
  assert.deepEqual(
    plan.files.filter(({ path }) => path === own.path),
    [own],
  );
  const settings = plan.files.find(({ path }) => path === '/etc/clusteros/node.yaml');
  assert.equal(settings?.mode, 0o644);
  assert.deepEqual(parse(settings?.text ?? ''), { cluster: { name: 'lab' }, ...definition.node });
  assert.equal(plan.ports.find(({ name }) => name === 'wireguard')?.port, 5182);
});

test('targets come with commas, as several flags, as all, or from the definition, each once and in one order', () => {
  const targets = (flag: string | string[] | undefined, definition = define()) =>
    makePlans(definition, HOST, { target: flag }).map(({ target }) => target);
  assert.deepEqual(targets(undefined), ['qcow2']);
  assert.deepEqual(targets(undefined, define({ targets: ['docker'] })), ['docker']);
  assert.deepEqual(targets('docker, qcow2'), ['qcow2', 'docker']);
  assert.deepEqual(targets(['docker', 'qcow2,docker']), ['qcow2', 'docker']);
  assert.deepEqual(targets(['docker', 'all']), TARGETS);
});

test('qcow2 and docker name the same packages, so that one tree serves both', () => {
  const [qcow2, docker] = makePlans(define(), HOST, { target: 'qcow2,docker' });
  assert.deepEqual(docker?.packages, qcow2?.packages);
  assert.deepEqual(docker?.apt, qcow2?.apt);
});

test('a later layer has the last word on a unit', () => {
  const state = (target: string, wanted: string) =>
    makePlan(define(), HOST, { target }).units.filter(({ unit }) => unit === wanted);
  assert.deepEqual(
    state('qcow2', 'systemd-networkd.service').map(({ state }) => state),
    ['enabled'],
  );
  assert.deepEqual(state('docker', 'systemd-networkd.service'), [
    { unit: 'systemd-networkd.service', state: 'masked' },
  ]);
});

test('the plan is frozen to its depth, and the same for the same inputs', () => {
  const plan = makePlan(define(), HOST);
  assert.deepEqual(plan, makePlan(define(), HOST));
  assert.throws(() => (plan.apt.suites as unknown[]).push(1), TypeError);
  assert.throws(() => Object.assign(plan.layers[0] ?? {}, { name: 'x' }), TypeError);
});

test('flags and an environment that make no sense are refused with the remedy', () => {
  const refused = (flags: object, host: HostFacts = HOST) => {
    try {
      makePlan(define(), host, flags);
    } catch (error) {
      assert.ok(error instanceof OperatorError);
      return `${error.code}: ${error.message} (${error.fix})`;
    }
    return 'accepted';
  };
  assert.match(refused({ base: 'debain-13' }), /^flag.invalid: .*did you mean debian-13\? \(choose one of/);
  assert.match(refused({ target: 'qcow' }), /^flag.invalid: .*did you mean qcow2/);
  assert.match(refused({ target: 'qcow2,dokcer' }), /^flag.invalid: .*did you mean docker/);
  assert.match(refused({ target: '' }), /^flag.invalid: /);
  assert.match(refused({ mirror: 'deb.debian.org' }), /^flag.invalid: invalid value for --mirror/);
  for (const epoch of ['now', '-1', '1e9', '12', '99999999999']) {
    assert.match(refused({}, { ...HOST, sourceDateEpoch: epoch }), /^environment.invalid: SOURCE_DATE_EPOCH/);
  }
  assert.equal(makePlan(define(), { ...HOST, sourceDateEpoch: '1700000000' }).epoch, 1_700_000_000);
});
