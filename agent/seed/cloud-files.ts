/**
 * What of the files for cloud-init will not be done. cloud-init itself passes over most of it without a word: a first
 * line that it does not know, keys of modules that the image does not run, parts of a network-config. Pure; repeats
 * nothing of a file but its keys, since user-data may hold secrets.
 */
import { checkDocument } from '../../settings/check.ts';
import { describeMistake, type Mistake, nearestWord, valueAt } from '../../settings/mistakes.ts';
import {
  networkSchema,
  olderNetworkMistakes,
  saidOfNetwork,
  unknownKeys,
} from '../../settings/network-config.ts';
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
  if (document.empty) return [];
  if (valueAt(document.value, ['version']) === 1)
    return placed('network-config', document, olderNetworkMistakes(document.value));
  const { mistakes = [] } = checkDocument(document, networkSchema, {
    showFound: false,
    asWritten: false,
    // 52:54:00:12:34:56 is a number in YAML 1.1, and the search domain no is false.
    say: (mistake) =>
      mistake.text === 'expected a string' && valueAt(document.value, mistake.path) !== undefined
        ? { ...mistake, text: 'expected a string: put it in quotes' }
        : saidOfNetwork(mistake),
  });
  return mistakes.map((mistake) => describeMistake('network-config', mistake));
}

function placed(name: CloudFile, { placeOf }: YamlDocument, mistakes: readonly Mistake[]): string[] {
  return mistakes.map((mistake) => describeMistake(name, { ...mistake, place: placeOf(mistake.path) }));
}

function notDone(name: CloudFile, document: YamlDocument): string[] {
  const { value } = document;
  const settings = Object.entries(value ?? {});
  const names = settings.map(([key]) => key);
  // Whoever names the modules knows what they do.
  if (names.some((key) => /^cloud_(init|config|final)_modules$/.test(key))) return [];
  const done = new Set([...Object.values(MODULE_KEYS).flat(), ...WITHOUT_EFFECT]);
  const ignored = settings
    .filter(([key, said]) => !done.has(key) && AS_IT_IS[key]?.includes(said) !== true)
    .map(([key]) => ({ path: [key], text: INSTEAD[key] ?? NOT_RUN, nearest: nearestWord(key, [...done]) }));
  return placed(name, document, [
    ...ignored,
    ...inItems(value, 'users', USER_KEYS, ['ssh_import_id']),
    ...inItems(value, 'write_files', FILE_KEYS, ['defer']),
  ]);
}

/** Keys of an account (cloudinit/distros, ug_util.py: a dash is as good as _) and of a file. */
const USER_KEYS = [
  ...['name', 'gecos', 'homedir', 'primary_group', 'groups', 'create_groups', 'selinux_user', 'system'],
  ...['shell', 'sudo', 'doas', 'uid', 'inactive', 'expiredate', 'lock_passwd', 'snapuser'],
  ...['passwd', 'hashed_passwd', 'plain_text_passwd', 'no_create_home', 'no_log_init', 'no_user_group'],
  ...['ssh_authorized_keys', 'ssh_redirect_user', 'ssh_import_id'],
];
const FILE_KEYS = ['path', 'content', 'source', 'owner', 'permissions', 'encoding', 'append', 'defer'];

/** cloud-init passes over a key that is misspelt: an account then has no SSH key. @param other known, and not done */
function inItems(
  value: unknown,
  list: string,
  known: readonly string[],
  other: readonly string[],
): Mistake[] {
  const items = valueAt(value, [list]);
  return (Array.isArray(items) ? items : []).flatMap((item: unknown, index) => {
    const spelt = list === 'users' ? [...known, ...known.map((key) => key.replaceAll('_', '-'))] : known;
    const notRun = other.filter((key) => ![undefined, false].includes(valueAt(item, [key]) as undefined));
    return [
      ...unknownKeys([list, index], item, spelt),
      ...notRun.map((key) => ({ path: [list, index, key], text: INSTEAD[key] ?? NOT_RUN })),
    ];
  });
}

const NOT_RUN = 'ignored: this image does not run the module of cloud-init for it';
const INSTEAD: Readonly<Record<string, string>> = {
  ssh_authorized_keys: 'ignored here: expected below a user in users:',
  defer: 'ignored: this image does not run write_files_deferred; use runcmd',
  ssh_import_id: 'ignored: write the keys below a user in users:',
  packages: 'ignored: packages belong into the image (packages: in cluster.yaml), or into runcmd',
};
