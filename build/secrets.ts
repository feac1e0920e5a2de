/** Whether a file is a secret, by its content and by its name. Pure; no reason repeats any part of the content. */
import { readKey } from '../agent/identity/cluster-key.ts';
import { parseToken } from '../agent/identity/tokens.ts';
import { readText } from '../settings/text.ts';

const IN_TEXT: readonly (readonly [RegExp, string])[] = [
  [/-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY/, 'a private key'],
  [/\bAGE-(SECRET-KEY|PLUGIN)(-[A-Z0-9]+)*-1[A-Z0-9]{16}/i, 'an age identity'],
  [/^PuTTY-User-Key-File-\d/m, 'a private key of PuTTY'],
  // base64 of minisign's algorithm, and of the passphrase's kind: none or scrypt.
  [/^RW(QAAEIy|RTY0Iy)[A-Za-z0-9+/]{40}/m, 'a secret signing key (minisign)'],
  [
    /^[a-z_][\w.-]*\$?:[!*]{0,2}\$(y|gy|7|2[abxy]|6|5|1|sha1|md5)\$[^:\n]*:\d*:/m,
    'a file of password hashes',
  ],
  [/^[\w.@-]+:(\$(apr1|2[abxy]|5|6|y)\$|\{SHA\})\S+$/m, 'a file of password hashes'],
  [/^-----BEGIN OpenVPN Static key/m, 'a static key of OpenVPN'],
  [/^\s*\[client\.[\w.-]+\][^[]*?^\s*key\s*=\s*[A-Za-z0-9+/]{38}==/m, 'a keyring of Ceph'],
  [/^\s*secret\s+"[A-Za-z0-9+/]{16,}={0,2}"\s*;/m, 'a key of a name server'],
  [/^\s*(wpa-)?psk\s*=\s*["']?[^\s#"']{8,}/im, 'a password of a wireless network'],
  [/^\s*(machine\s+\S+|default)\s(?:(?!machine\s)[\s\S]){0,300}?\bpassword\s+\S/m, 'a file of credentials'],
  [/^[^\s:#]+:(\d{2,5}|\*):[a-z*][\w*-]*:[^\s:]+:[^\s:]+$/im, 'a file of credentials'],
  [/"auth"\s*:\s*"[A-Za-z0-9+/]{8,}={0,2}"/, 'a file of credentials'],
  [/^[\s#]*aws_secret_access_key\s*[:=]\s*\S/im, 'a file of credentials'],
  // What services call their own, so that scanners find it.
  [
    /\b(gh[opusr]_\w{36}|github_pat_\w{22}|glpat-[\w-]{20}|npm_\w{36}|hvs\.[\w-]{24}|tskey-[a-z]+-\w{8}|xox[abp]-[\w-]{20}|K10[0-9a-f]{64}::\S)/,
    'a token of a service',
  ],
  [/\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/, 'a token (JWT)'],
  [/^\s*(PrivateKey|PresharedKey)\s*=\s*[A-Za-z0-9+/]{43}=/im, 'a key of WireGuard'],
  [/"d"\s*:\s*"[\w-]{20,}"/, 'a private key (JWK)'],
];

/** Bytes of a file of one secret, with the comments that people write beside it. */
const LARGEST_LONE = 4096;
const NAMED_SECRET =
  /^[\s{]*(?:export\s+)?["']?[\w.-]*(secret|psk|(?:cluster|encrypt)[_-]?key|token)[\w.-]*["']?\s*[:=]\s*["']?([^\s"',}]+)["',}\s]*$/im;

/** What secret the bytes hold, in words: `a private key`; undefined for none that is known. */
export function secretIn(bytes: Uint8Array): string | undefined {
  const text = decoded(bytes);
  for (const [pattern, what] of IN_TEXT) {
    if (what.endsWith('(JWK)') && !/"kty"\s*:/.test(text)) continue;
    if (pattern.test(text)) return what;
  }
  if (/"privateKey"\s*:\s*"[A-Za-z0-9+/]{43}="/.test(text)) return "a node's identity";
  const lone = loneValue(text);
  if (lone !== undefined && readKey(lone).key !== undefined) return 'a cluster key';
  if (lone !== undefined && parseToken(lone) !== undefined) return 'an enrolment token';
  // A key in base64 once more, as kubeconfig and many YAML files carry it.
  for (const [run] of text.matchAll(/\bLS0tLS1[A-Za-z0-9+/=]{40,}/g)) {
    const inner = Buffer.from(run, 'base64').toString('latin1');
    if (inner.includes('PRIVATE KEY')) return 'a private key (in base64)';
  }
  return undefined;
}

const BY_NAME: readonly (readonly [RegExp, string])[] = [
  [/(^|\/)cluster\.key$/, 'a cluster key'],
  [/(^|\/)cluster\.token$/, 'an enrolment token'],
  [/(^|\/)(clusteros-sign|minisign)\.key$/, 'a secret signing key'],
  [/(^|\/)munge\.key$/, 'the key of MUNGE'],
  [/(^|\/)etc\/g?shadow-?$/, 'the password hashes of a machine'],
  [/(^|\/)(g?shadow(-|\.(bak|old|orig))?|opasswd|smbpasswd|\.?htpasswd)$/, 'a file of password hashes'],
  [/(^|\/)ssh_host_\w+_key$/, 'a host key of SSH'],
  [/(^|\/)id_(rsa|dsa|ecdsa|ed25519)([\w-]*)$/, 'a private key of SSH'],
  [/(^|\/)clusteros\/identity\.json$/, "a node's identity"],
  [/(^|\/)etc\/wireguard\/[^/]+\.conf$/, 'a configuration of WireGuard with its key'],
  [
    /(^|\/)([^/]+\.keytab|\.pgpass|pgpass\.conf|[._]netrc|\.git-credentials|\.my\.cnf)$/,
    'a file of credentials',
  ],
  [/(^|\/)(\.vault[-_]\w+|(chap|pap|ipsec)[-.]secrets|rclone\.conf)$/, 'a file of credentials'],
  [/(^|\/)(\.aws\/credentials|\.docker\/config\.json|\.kube\/config|k3s\.yaml)$/, 'a file of credentials'],
  [/(^|\/)apt\/auth\.conf(\.d\/[^/]+)?$/, 'a file of credentials'],
  [/(^|\/)(corosync\/authkey|rndc\.key|jwt_hs256\.key|slurm\.key)$/, 'a key that daemons share'],
  [/(^|\/)ceph\/[^/]+\.keyring$/, 'a keyring of Ceph'],
  [/(^|\/)(ssl\/private|pki\/private|private-keys-v1\.d)\/[^/]+$/, 'a private key'],
];

/** What secret a file of this name is: `etc/shadow`. In lower case too, as FAT and Windows have them. */
export function secretByName(file: string): string | undefined {
  const name = file.replaceAll('\\', '/').toLowerCase();
  return BY_NAME.find(([pattern]) => pattern.test(name))?.[1];
}

/** The one line that is no comment; or what is set by a name such as `cluster_key`. */
function loneValue(text: string): string | undefined {
  if (text.length > LARGEST_LONE) return NAMED_SECRET.exec(text)?.[2];
  const lines = text
    .replace(/^(\u00ef\u00bb\u00bf|\ufeff)/, '')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '' && !/^\s*#/.test(line));
  return lines.length === 1 && !/[:=]\s*\S/.test(lines[0] ?? '') ? lines[0] : NAMED_SECRET.exec(text)?.[2];
}

/** UTF-16 is what a Windows editor makes of a key; what is no text may hold one in a piece of it. */
function decoded(bytes: Uint8Array): string {
  return readText(bytes).text ?? Buffer.from(bytes).toString('latin1');
}
