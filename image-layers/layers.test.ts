import assert from 'node:assert/strict';
import * as path from 'node:path';
import { test } from 'node:test';
import { BASES } from '../build/definition/bases.ts';
import { TARGETS, type Target } from '../build/definition/plan.ts';
import { files, tryRun, which } from '../build/host.ts';
import {
  filesRelied,
  filesToRecord,
  maskedUnits,
  namesToRecord,
  packagesOf,
  readIndex,
} from './index/package-index.ts';
import { BASE_NAMES, type BaseName, type LayerFile } from './layer.ts';
import { ALL_LAYERS, layersFor } from './layers.ts';

/**
 * What no archive vouches for, because Ubuntu's cannot be read from here. Pinned: a new name fails the test, and so
 * does one that has been looked up since. `listed` packages exist, but their component was not seen; of `unknown`
 * ones and of `files` the record says what we assume and why.
 */
const UNVERIFIED: Readonly<
  Record<BaseName, Readonly<Record<'listed' | 'unknown' | 'files', readonly string[]>>>
> = {
  'debian-13': { listed: [], unknown: [], files: [] },
  'debian-12': { listed: [], unknown: [], files: [] },
  'ubuntu-24.04': {
    listed: words(`
      amd64-microcode dbus etcd-client grub-common grub-pc-bin initramfs-tools iproute2 iputils-ping kmod libatomic1
      libnss-resolve linux-firmware linux-image-virtual nftables qemu-guest-agent serf sudo tzdata udev wireguard-go`),
    unknown: words('systemd-sysv wireguard-tools'),
    files: words(`
      /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed /usr/lib/shim/mmx64.efi
      /usr/lib/shim/shimx64.efi.signed.latest /usr/lib/systemd/system/cloud-init.target
      /usr/lib/systemd/system/systemd-networkd.service /usr/lib/systemd/system/systemd-repart.service
      /usr/lib/systemd/system/systemd-resolved.service`),
  },
  'ubuntu-26.04': {
    listed: words(`
      amd64-microcode cloud-init etcd-server initramfs-tools intel-microcode iproute2 libatomic1 linux-firmware linux-image-virtual netbase
      qemu-guest-agent systemd-sysv systemd-timesyncd tzdata`),
    unknown: words('wireguard-go wireguard-tools'),
    files: words(`
      /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed /usr/lib/shim/mmx64.efi
      /usr/lib/shim/shimx64.efi.signed.latest /usr/lib/systemd/system/cloud-init.target
      /usr/lib/systemd/system/systemd-networkd.service /usr/lib/systemd/system/systemd-repart.service
      /usr/lib/systemd/system/systemd-resolved.service`),
  },
};

/** What a later layer of a target puts in the place of an earlier one's. */
const REPLACED: Readonly<Record<Target, readonly string[]>> = {
  qcow2: [],
  docker: ['/etc/resolv.conf'],
  usb: [],
  iso: [],
};

for (const base of BASE_NAMES) {
  test(`every package that a layer asks for is in the archive of ${base}, in a component that is enabled`, async (t) => {
    const index = await readIndex(base);
    assert.equal(index.base, base);
    const listed: string[] = [];
    const unknown: string[] = [];
    for (const name of ALL_LAYERS.flatMap((layer) => packagesOf(layer, base)).sort()) {
      const entry = index.packages[name];
      assert.notEqual(entry, undefined, `${name} is not in the record: run image-layers/index/record.ts`);
      assert.ok(
        entry !== undefined && entry !== null && !('absent' in entry),
        `${base} has no package ${name}`,
      );
      if ('listed' in entry) listed.push(name);
      else if ('component' in entry) {
        assert.ok(
          BASES[base].components.includes(entry.component),
          `${name} is in ${entry.component}, which the profile of ${base} does not enable`,
        );
      } else unknown.push(name);
    }
    if (unknown.length > 0) t.diagnostic(`nobody vouches for: ${unknown.join(' ')}`);
    if (listed.length > 0) t.diagnostic(`component not seen: ${listed.join(' ')}`);
    assert.deepEqual(listed, UNVERIFIED[base].listed);
    assert.deepEqual(unknown, UNVERIFIED[base].unknown);
  });

  test(`every file that the build takes from a package of ${base} is in one that the layers bring`, async (t) => {
    const index = await readIndex(base);
    const unknown: string[] = [];
    for (const file of filesRelied(base).sort()) {
      const entry = index.files[file];
      assert.notEqual(entry, undefined, `${file} is not in the record: run image-layers/index/record.ts`);
      assert.ok(entry, `no package of ${base} has ${file}`);
      if ('package' in entry) assert.ok(brought(base).has(entry.package), `no layer brings ${entry.package}`);
      else unknown.push(file);
    }
    if (unknown.length > 0) t.diagnostic(`nobody vouches for: ${unknown.join(' ')}`);
    assert.deepEqual(unknown, UNVERIFIED[base].files);
  });

  test(`the record of ${base} has a word on every name, and on no other`, async () => {
    const index = await readIndex(base);
    const names = [...Object.keys(index.packages), ...Object.keys(index.files)];
    assert.deepEqual(names, [...namesToRecord(), ...filesToRecord(base)], 'run image-layers/index/record.ts');
  });
}

test('every masked unit is one that a package of Debian ships: a slip of the pen would mask nothing', async () => {
  const records = await Promise.all([readIndex('debian-12'), readIndex('debian-13')]);
  for (const unit of maskedUnits()) {
    assert.ok(
      records.some(({ files: known }) => known[unit]),
      `no package has ${unit}`,
    );
  }
});

test('no layer asks for a package twice, and no two layers ask for the same', () => {
  for (const base of BASE_NAMES) {
    const names = ALL_LAYERS.flatMap((layer) => packagesOf(layer, base));
    assert.deepEqual(duplicates(names), [], base);
  }
});

test('every layer says what it is for', () => {
  for (const { name, summary } of ALL_LAYERS) assert.match(summary, /^\S.*[^.]$/, `summary of ${name}`);
  assert.deepEqual(duplicates(ALL_LAYERS.map(({ name }) => name)), []);
});

test('every path is absolute and plain, and no target writes one twice', () => {
  for (const { name, files: own, links, removes } of ALL_LAYERS) {
    for (const target of [...own.map((file) => file.path), ...links.map((link) => link.path), ...removes]) {
      assert.ok(path.isAbsolute(target) && path.normalize(target) === target, `${name}: ${target}`);
    }
  }
  for (const name of TARGETS) {
    const layers = layersFor(name);
    const written = layers.flatMap((layer) => [...layer.files, ...layer.links]).map((entry) => entry.path);
    assert.deepEqual(duplicates(written), REPLACED[name], name);
    const removed = layers.flatMap((layer) => layer.removes);
    assert.deepEqual(
      removed.filter((target) => written.includes(target)),
      [],
      name,
    );
  }
});

test('no file may be written by others, and exactly the scripts may be run', () => {
  for (const { path: target, mode, text } of allFiles()) {
    assert.equal(mode & 0o022, 0, `${target} may be written by others`);
    assert.equal(mode & ~0o755, 0, `${target} has odd bits`);
    assert.equal(mode === 0o755, text.startsWith('#!'), `${target}: a script is 0755, and nothing else is`);
  }
});

test('every file ends with a newline, and has no tabs or trailing blanks', () => {
  for (const { path: target, text } of allFiles()) {
    assert.ok(text === '' || text.endsWith('\n'), `${target} does not end with a newline`);
    assert.doesNotMatch(text, /[ \t]$|\t/m, target);
  }
});

test('no unit is both wanted and masked, and each has its target', () => {
  for (const { name, units } of ALL_LAYERS)
    assert.deepEqual(duplicates(units.map(({ unit }) => unit)), [], name);
  for (const { unit, ...rest } of ALL_LAYERS.flatMap((layer) => layer.units)) {
    assert.match(unit, /^[\w@-]+\.(service|socket|timer|path|target|mount)$/);
    if (rest.state !== 'masked') assert.match(rest.wantedBy, /^[\w-]+\.target$/, unit);
  }
});

test('an enabled unit of ours has an [Install] section for its target', () => {
  const own = new Map(allFiles().map((file) => [path.basename(file.path), file.text]));
  for (const layerUnit of ALL_LAYERS.flatMap((layer) => layer.units)) {
    const text = own.get(layerUnit.unit);
    if (layerUnit.state !== 'enabled' || text === undefined) continue;
    assert.match(text, new RegExp(`^WantedBy=${layerUnit.wantedBy}$`, 'm'), layerUnit.unit);
  }
});

test('every script of a layer is good shell', async () => {
  for (const { path: target, text } of allFiles().filter((file) => file.text.startsWith('#!'))) {
    assert.match(text, /^#!\/bin\/sh\n/, target);
    const { exitCode, stderr } = await tryRun(['sh', '-n'], { input: text });
    assert.equal(exitCode, 0, `${target}: ${stderr}`);
  }
});

test('every unit file of a layer, and every drop-in, is understood by systemd', async (t) => {
  if ((await which('systemd-analyze')) === undefined) return t.skip('systemd-analyze is not installed');
  const folder = await files.makeWorkFolder('/tmp', 'clusteros-units');
  t.after(() => files.remove(folder));
  const texts = new Map(
    allFiles()
      .filter((file) => file.path.startsWith('/etc/systemd/system/'))
      .map((file) => [path.relative('/etc/systemd/system', file.path), file.text]),
  );
  // A drop-in is read with its unit; where a package brings that, something stands in for it.
  const units = new Set([...texts.keys()].map((name) => name.replace(/\.d\/.*$/, '')));
  for (const unit of units) if (!texts.has(unit)) texts.set(unit, standIn(unit));
  for (const [name, text] of texts) await files.writeAtomic(path.join(folder, name), text);
  const { stdout, stderr } = await tryRun(['systemd-analyze', 'verify', '--man=no', ...units], {
    cwd: folder,
    env: { SYSTEMD_UNIT_PATH: `${folder}:` },
  });
  const complaints = `${stdout}${stderr}`
    .split('\n')
    .filter((line) => line.startsWith(folder) || [...units].some((unit) => line.startsWith(`${unit}: `)))
    // The image's programs and other units are not on this machine.
    .filter((line) => !/is not executable: No such file or directory|Unit \S+ not found/.test(line));
  assert.deepEqual(complaints, []);
});

/** The stages of cloud-init run before sysinit.target, as in the package. */
function standIn(unit: string): string {
  const early = unit.startsWith('cloud-init') ? '[Unit]\nDefaultDependencies=no\n' : '';
  return `${early}[Service]\nType=oneshot\nExecStart=/bin/true\n`;
}

/** Packages in the image for certain: what the layers ask for, and what those cannot be installed without. */
function brought(base: BaseName): Set<string> {
  const asked = ALL_LAYERS.flatMap((layer) => packagesOf(layer, base));
  return new Set([...asked, ...asked.flatMap((name) => DEPENDENCIES[name] ?? [])]);
}

const DEPENDENCIES: Readonly<Record<string, readonly string[]>> = {
  'systemd-sysv': ['systemd'],
  'shim-signed': ['shim-helpers-amd64-signed'],
};

function allFiles(): LayerFile[] {
  return ALL_LAYERS.flatMap((layer) => layer.files);
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

function duplicates(values: readonly string[]): string[] {
  return values.filter((value, at) => values.indexOf(value) !== at);
}
