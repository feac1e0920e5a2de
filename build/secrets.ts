/** Whether a file is a secret, by its content and by its name. Pure; no reason repeats any part of the content. */
import { readKey } from '../agent/identity/cluster-key.ts';
import { parseToken } from '../agent/identity/tokens.ts';

const IN_TEXT: readonly (readonly [RegExp, string])[] = [
  [/-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY/, 'a private key'],
  [/\bAGE-(SECRET-KEY|PLUGIN-[A-Z0-9-]+)-1[A-Z0-9]{16}/i, 'an age identity'],
  [/^PuTTY-User-Key-File-\d/m, 'a private key of PuTTY'],
  // base64 of minisign's algorithm, and of the passphrase's kind: none or scrypt.
  [/^RW(QAAEIy|RTY0Iy)[A-Za-z0-9+/]{40}/m, 'a secret signing key (minisign)'],
  [
    /^[a-z_][\w.-]*\$?:[!*]{0,2}\$(y|gy|7|2[abxy]|6|5|1|sha1|md5)\$[^:\n]*:\d*:/m,
    'a file of password hashes',
  ],
  [/^\s*(PrivateKey|PresharedKey)\s*=\s*[A-Za-z0-9+/]{43}=/im, 'a key of WireGuard'],
  [/"d"\s*:\s*"[\w-]{20,}"/, 'a private key (JWK)'],
];

/** Bytes of a file of one secret, with the comments that people write beside it. */
const LARGEST_LONE = 4096;
const NAMED_SECRET =
  /^\s*[\w.-]*(secret|psk|cluster[_-]?key|token)[\w.-]*\s*[:=]\s*["']?([^\s"']+)["']?\s*$/im;

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
  for (const [run] of text.matchAll(/\bLS0tLS1[A-Za-z0-9+/=]{60,}/g)) {
    const inner = Buffer.from(run, 'base64').toString('latin1');
    if (inner.includes('PRIVATE KEY')) return 'a private key (in base64)';
  }
  return undefined;
}

const BY_NAME: readonly (readonly [RegExp, string])[] = [
  [/(^|\/)cluster\.key$/, 'a cluster key'],
  [/(^|\/)clusteros-sign\.key$/, 'a secret signing key'],
  [/(^|\/)munge\.key$/, 'the key of MUNGE'],
  [/(^|\/)etc\/g?shadow-?$/, 'the password hashes of a machine'],
  [/(^|\/)g?shadow-?$/, 'a file of password hashes'],
  [/(^|\/)ssh_host_\w+_key$/, 'a host key of SSH'],
  [/(^|\/)id_(rsa|dsa|ecdsa|ed25519)(_sk)?$/, 'a private key of SSH'],
  [/(^|\/)clusteros\/identity\.json$/, "a node's identity"],
  [/(^|\/)etc\/wireguard\/[^/]+\.conf$/, 'a configuration of WireGuard with its key'],
  [/(^|\/)(krb5\.keytab|\.pgpass|\.netrc|\.git-credentials|\.vault-token)$/, 'a file of credentials'],
  [/(^|\/)\.aws\/credentials$|(^|\/)\.docker\/config\.json$/, 'a file of credentials'],
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

/** UTF-16 is what a Windows editor makes of a key. */
function decoded(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  return Buffer.from(bytes).toString('latin1');
}
