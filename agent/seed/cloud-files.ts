/**
 * What of the files for cloud-init will not be done. cloud-init itself passes over most of it without a word: a first
 * line that it does not know, keys of modules that the image does not run, parts of a network-config. Pure; repeats
 * nothing of a file but its keys, since user-data may hold secrets.
 */
import { checkDocument } from '../../settings/check.ts';
import { describeMistake, valueAt } from '../../settings/mistakes.ts';
import { networkSchema, saidOfNetwork } from '../../settings/network-config.ts';
import { readText } from '../../settings/text.ts';
import { readYaml, type YamlDocument } from '../../settings/yaml.ts';
import type { CLOUD_FILES } from './names.ts';

type CloudFile = (typeof CLOUD_FILES)[number];

/** The modules of cloud-init that the image runs (firstboot/cloud-config.ts), with the keys that each obeys. */
export const MODULE_KEYS: Readonly<Record<string, readonly string[]>> = {
  write_files: ['write_files'],
  set_hostname: [
    'hostname',
    'fqdn',
    'preserve_hostname',
    'prefer_fqdn_over_hostname',
    'create_hostname_file',
  ],
  users_groups: ['users', 'user', 'groups'],
  timezone: ['timezone'],
  runcmd: ['runcmd'],
  scripts_user: [],
};

/** Said to be as it is anyway, which does no harm. */
const AS_IT_IS: Readonly<Record<string, readonly unknown[]>> = {
  ssh_pwauth: [false],
  disable_root: [true],
  package_update: [false],
  package_upgrade: [false],
  package_reboot_if_required: [false],
  manage_etc_hosts: [false],
  ssh_deletekeys: [false],
};
const WITHOUT_EFFECT = ['growpart', 'resize_rootfs', 'final_message', 'output', 'merge_how', 'merge_type'];

/** How user-data begins that cloud-init understands (cloudinit/handlers/__init__.py). */
const BEGINNINGS =
  /^\s*(#cloud-config|#!|#include|#cloud-boothook|#part-handler|#upstart-job|## template: jinja|content-type:|mime-version:|from )/i;

/** Each with the file's name, line and column. */
export function cloudMistakes(name: CloudFile, bytes: Uint8Array): string[] {
  const gzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  if (gzip) return [];
  const reading = readText(bytes);
  if (reading.text === undefined)
    return [describeMistake(name, { path: [], text: reading.reason, place: reading.place })];
  const { text } = reading;
  if (name === 'vendor-data' || name === 'user-data') {
    if (text.trim() === '') return [];
    if (!BEGINNINGS.test(text))
      return [
        `${name}:1:1: expected #cloud-config as the first line: without it cloud-init ignores the file`,
      ];
    if (!/^\s*#cloud-config(\s|$)/i.test(text)) return [];
  }
  const document = readYaml(bytes, { version: '1.1' });
  if (document.value === undefined || document.mistakes.length > 0)
    return document.mistakes.map((mistake) => describeMistake(name, mistake));
  if (name === 'network-config') return networkMistakes(document);
  return name === 'meta-data' ? [] : notDone(name, document);
}

function networkMistakes(document: YamlDocument): string[] {
  // The older form has other rules, and nobody writes it by hand any more.
  if (document.empty || valueAt(document.value, ['version']) === 1) return [];
  const { mistakes = [] } = checkDocument(document, networkSchema, { showFound: false, say: saidOfNetwork });
  return mistakes.map((mistake) => describeMistake('network-config', mistake));
}

function notDone(name: CloudFile, { value, placeOf }: YamlDocument): string[] {
  const settings = Object.entries(value ?? {});
  const names = settings.map(([key]) => key);
  // Whoever names the modules knows what they do.
  if (names.some((key) => /^cloud_(init|config|final)_modules$/.test(key))) return [];
  const done = new Set([...Object.values(MODULE_KEYS).flat(), ...WITHOUT_EFFECT]);
  return settings
    .filter(([key, said]) => !done.has(key) && AS_IT_IS[key]?.includes(said) !== true)
    .map(([key]) =>
      describeMistake(name, { path: [key], text: INSTEAD[key] ?? NOT_RUN, place: placeOf([key]) }),
    );
}

const NOT_RUN = 'ignored: this image does not run the module of cloud-init for it';
const INSTEAD: Readonly<Record<string, string>> = {
  ssh_authorized_keys: 'ignored here: expected below a user in users:',
  ssh_import_id: 'ignored: write the keys below a user in users:',
  packages: 'ignored: packages belong into the image (packages: in cluster.yaml), or into runcmd',
};
