import { stringify } from 'yaml';
import { NODE_PORTS } from '../../agent/config/ports.ts';
import { FOLLOW_USER_DATA } from '../../firstboot/cloud-config.ts';
import {
  BASE_NAMES,
  type BaseName,
  type Layer,
  type LayerFile,
  type LayerUnit,
} from '../../image-layers/layer.ts';
import { layersFor } from '../../image-layers/layers.ts';
import { nearestWord, shown, valueAt } from '../../settings/mistakes.ts';
import { OperatorError } from '../errors.ts';
import { hostMirrorOf, securityMirrorBeside } from './apt-sources.ts';
import { BASES, type BaseProfile } from './bases.ts';
import type { HostFacts } from './host-facts.ts';
import type { Definition } from './load.ts';
import { type AptSources, type Plan, type Port, TARGETS, type Target } from './plan.ts';
import { sizeInBytes } from './size.ts';

/** What the command line says over the definition. */
export interface PlanFlags {
  /** Names with commas between them, or several of these; `all`. */
  readonly target?: string | readonly string[] | undefined;
  readonly base?: string | undefined;
  readonly mirror?: string | undefined;
}

const NODE_SETTINGS_FILE = '/etc/clusteros/node.yaml';

/**
 * A frozen plan for each target. Pure: a function of the definition, the host's facts and the flags.
 *
 * @returns at least one, in the order of {@link TARGETS}
 * @throws OperatorError `flag.invalid`, `environment.invalid`
 */
export function makePlans(definition: Definition, host: HostFacts, flags: PlanFlags = {}): Plan[] {
  return targetsOf(definition, flags.target).map((target) => planFor(target, definition, host, flags));
}

/** The plan of a single target, where several make no sense: the first. @throws like {@link makePlans} */
export function makePlan(definition: Definition, host: HostFacts, flags: PlanFlags = {}): Plan {
  const [target = 'qcow2'] = targetsOf(definition, flags.target);
  return planFor(target, definition, host, flags);
}

function planFor(target: Target, definition: Definition, host: HostFacts, flags: PlanFlags): Plan {
  const base = BASES[baseNameOf(definition, host, flags.base)];
  const layers = layersFor(target);
  const apt = aptSourcesOf(definition, base, host, flags.mirror, layers);
  return deepFreeze({
    name: definition.name,
    base,
    arch: definition.arch,
    target,
    apt,
    layers,
    packages: packagesOf(definition, base, layers),
    files: filesOf(definition, layers),
    links: layers.flatMap((layer) => layer.links),
    units: unitsOf(layers),
    removes: [...new Set(layers.flatMap((layer) => layer.removes))],
    diskBytes: sizeInBytes(definition.disk.size) ?? 0,
    initramfs: layers.some((layer) => layer.name === 'hardware') ? 'metal' : 'virtual',
    epoch: epochOf(host.sourceDateEpoch),
    ports: portsOf(definition),
  });
}

function targetsOf(definition: Definition, flag: string | readonly string[] | undefined): Target[] {
  const named = [flag ?? []].flat().flatMap((words) => words.split(','));
  const wanted: readonly string[] =
    flag === undefined ? definition.targets : named.map((name) => name.trim());
  for (const name of wanted) {
    const known = [...TARGETS, 'all'];
    if (!known.includes(name)) throw wrongFlag('--target', name, known);
  }
  return TARGETS.filter((target) => wanted.includes(target) || wanted.includes('all'));
}

function baseNameOf(definition: Definition, host: HostFacts, flag: string | undefined): BaseName {
  if (flag === undefined)
    return definition.base.name ?? (host.family === 'ubuntu' ? 'ubuntu-24.04' : 'debian-13');
  const base = BASE_NAMES.find((name) => name === flag);
  if (base === undefined) throw wrongFlag('--base', flag, BASE_NAMES);
  return base;
}

function wrongFlag(flag: string, found: string, valid: readonly string[]): OperatorError {
  const nearest = nearestWord(found, valid);
  return new OperatorError({
    code: 'flag.invalid',
    message: `invalid value for ${flag}: "${found}"${nearest === undefined ? '' : `; did you mean ${nearest}?`}`,
    fix: `choose one of: ${valid.join(', ')}`,
  });
}

/** Which archive, and in which words to name the setting that chose it. Flag, definition, host, profile. */
function aptSourcesOf(
  definition: Definition,
  base: BaseProfile,
  host: HostFacts,
  flag: string | undefined,
  layers: readonly Layer[],
): AptSources {
  const { mirror, mirrorSetBy, securityMirror } = mirrorsOf(definition, base, host, flag);
  const { suite } = base;
  // Firmware is the one thing outside of main that a layer may need on Debian.
  const needsFirmware = layers.some((layer) => layer.name === 'hardware');
  return {
    mirror,
    mirrorSetBy,
    securityMirror,
    suites: [
      { uri: mirror, suite },
      { uri: mirror, suite: `${suite}-updates` },
      { uri: securityMirror, suite: `${suite}-security` },
    ],
    components: base.components.filter((component) => component !== 'non-free-firmware' || needsFirmware),
    keyring: definition.base.keyring ?? base.keyring,
    keyringPackage: base.keyringPackage,
    node: nodeMirrorsOf(definition, base),
    snapshot: flag === undefined ? definition.base.snapshot : undefined,
  };
}

/** A mirror of this machine or of a flag serves the build; what the definition names serves the nodes too. */
function nodeMirrorsOf(definition: Definition, base: BaseProfile): AptSources['node'] {
  const { mirror = base.mirror, security_mirror } = definition.base;
  const beside =
    mirror === base.mirror ? base.securityMirror : securityMirrorBeside(mirror, base.distribution);
  return { mirror, securityMirror: security_mirror ?? beside };
}

type Mirrors = Pick<AptSources, 'mirror' | 'mirrorSetBy' | 'securityMirror'>;

function mirrorsOf(
  definition: Definition,
  base: BaseProfile,
  host: HostFacts,
  flag: string | undefined,
): Mirrors {
  const { distribution } = base;
  const { snapshot } = definition.base;
  const beside = (mirror: string) =>
    definition.base.security_mirror ?? securityMirrorBeside(mirror, distribution);
  if (flag !== undefined) {
    if (!/^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/.test(flag)) {
      throw new OperatorError({
        code: 'flag.invalid',
        message: `invalid value for --mirror: ${shown(flag)}`,
        fix: `give an http or https address, such as ${base.mirror}`,
      });
    }
    const mirror = flag.replace(/\/+$/, '');
    return { mirror, mirrorSetBy: 'the flag --mirror', securityMirror: beside(mirror) };
  }
  if (snapshot !== undefined) {
    return {
      mirror: base.snapshotMirror.replace('{timestamp}', snapshot),
      mirrorSetBy: `base.snapshot in ${definition.origin}`,
      securityMirror: base.snapshotSecurityMirror.replace('{timestamp}', snapshot),
    };
  }
  if (definition.base.mirror !== undefined) {
    const { mirror } = definition.base;
    return { mirror, mirrorSetBy: `base.mirror in ${definition.origin}`, securityMirror: beside(mirror) };
  }
  const own = host.family === distribution ? hostMirrorOf(host.aptSources, distribution) : undefined;
  if (own !== undefined) {
    const securityMirror =
      definition.base.security_mirror ?? own.securityMirror ?? securityOfHost(own.mirror, base);
    return { mirror: own.mirror, mirrorSetBy: "the host's own apt sources", securityMirror };
  }
  return {
    mirror: base.mirror,
    mirrorSetBy: `the default of ${base.name}`,
    securityMirror: definition.base.security_mirror ?? base.securityMirror,
  };
}

function securityOfHost(mirror: string, base: BaseProfile): string {
  return mirror === base.mirror ? base.securityMirror : securityMirrorBeside(mirror, base.distribution);
}

function packagesOf(definition: Definition, base: BaseProfile, layers: readonly Layer[]): string[] {
  const ofLayers = layers.flatMap((layer) => [
    ...(layer.packages.all ?? []),
    ...(layer.packages[base.name] ?? []),
  ]);
  return [...new Set([...ofLayers, ...definition.packages])].sort();
}

/** A later layer has the last word on a unit. */
function unitsOf(layers: readonly Layer[]): LayerUnit[] {
  const units = layers.flatMap((layer) => layer.units);
  return [...new Map(units.map((unit) => [unit.unit, unit])).values()];
}

/** The layers' files, the settings of the node, and the definition's own, which replace a layer's. By path. */
function filesOf(definition: Definition, layers: readonly Layer[]): LayerFile[] {
  const settings = { path: NODE_SETTINGS_FILE, mode: 0o644, text: nodeSettingsText(definition) };
  const follow = { path: FOLLOW_USER_DATA, mode: 0o644, text: '' };
  const own = definition.seed.user_data === 'always' ? [settings, follow] : [settings];
  const all = [...layers.flatMap((layer) => layer.files), ...own, ...definition.files];
  const byPath = new Map(all.map((file) => [file.path, file]));
  return [...byPath.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}

function nodeSettingsText({ name, node }: Definition): string {
  const settings = { cluster: { name }, ...node };
  return `# Settings of the node agent, from the definition of the image. The seed of a node may change them.\n${stringify(settings)}`;
}

/** Undefined: the archive's own date, so that no file is newer than its image (Python's byte code depends on it). */
function epochOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const epoch = Number(text);
  // FAT counts from 1980, and ext4's and GRUB's 32 bits end in 2106.
  if (/^\d+$/.test(text) && epoch >= 315_532_800 && epoch < 2 ** 32) return epoch;
  throw new OperatorError({
    code: 'environment.invalid',
    message: `SOURCE_DATE_EPOCH is "${text}", which is no time from 1980 to 2106 in seconds`,
    fix: 'unset SOURCE_DATE_EPOCH, or set it as date +%s prints it',
  });
}

function portsOf(definition: Definition): Port[] {
  return NODE_PORTS.map(({ path, name, protocol, scope }) => ({
    name,
    port: Number(valueAt(definition.node, path)),
    protocol,
    scope,
  }));
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
