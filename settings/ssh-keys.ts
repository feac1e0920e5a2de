/**
 * Public SSH keys as sshd(8) takes them in authorized_keys: options, type, base64, comment, with blanks or tabs
 * between them. No message repeats anything of a line: whoever names the wrong file must not find a secret in a log.
 * Pure.
 */
import { readText } from './text.ts';

/** A key as one line with single blanks, something that is no key to log in with, or what is wrong. */
export type KeyReading =
  | { readonly key: string }
  | { readonly certificate: true }
  | { readonly mistake: string };

export interface KeyFile {
  readonly keys: readonly string[];
  /** Lines with certificates: sshd asks for one only through the key that signed it. */
  readonly certificates: readonly number[];
  readonly mistakes: readonly { readonly line: number; readonly text: string }[];
}

const TYPES =
  /^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)$/;
const CERTIFICATE = /-cert-v\d\d@openssh\.com$/;

/** sshd(8), AUTHORIZED_KEYS FILE FORMAT. It refuses a line with an option that it does not know. */
const FLAGS = [
  ...['agent-forwarding', 'port-forwarding', 'pty', 'user-rc', 'x11-forwarding'].flatMap((flag) => [
    flag,
    `no-${flag}`,
  ]),
  ...['cert-authority', 'restrict', 'no-touch-required', 'verify-required'],
];
const VALUES = [
  ...['command', 'environment', 'expiry-time', 'from', 'permitlisten', 'permitopen', 'principals', 'tunnel'],
];

export const NO_LOGIN_BY_CERTIFICATE =
  'a certificate: sshd takes it through the key that signed it; give that one, with cert-authority in front';
const PRIVATE = 'this is a private key; give the public one, which ends in .pub';

/** What a .pub or authorized_keys file holds. */
export function readKeyFile(bytes: Uint8Array): KeyFile {
  const only = (line: number, text: string): KeyFile => ({
    keys: [],
    certificates: [],
    mistakes: [{ line, text }],
  });
  const reading = readText(bytes);
  if (reading.text === undefined) return only(reading.place.line, reading.reason);
  const other = OTHER_FORMS.find(([form]) => form.test(reading.text));
  if (other !== undefined) return only(1, other[1]);
  const lines = reading.text.split(/\r\n|\n|\r/).flatMap((text, index) => {
    const bare = text.trim();
    return bare === '' || bare.startsWith('#') ? [] : [{ line: index + 1, ...readPublicKey(bare) }];
  });
  return {
    keys: lines.flatMap((it) => ('key' in it ? [it.key] : [])),
    certificates: lines.flatMap((it) => ('certificate' in it ? [it.line] : [])),
    mistakes: lines.flatMap((it) => ('mistake' in it ? [{ line: it.line, text: it.mistake }] : [])),
  };
}

const OTHER_FORMS: readonly (readonly [RegExp, string])[] = [
  [/PRIVATE KEY|^PuTTY-User-Key-File/m, PRIVATE],
  [/^---- BEGIN SSH2 PUBLIC KEY/m, 'this is the form of RFC 4716; convert it: ssh-keygen -i -f FILE'],
  [/^-----BEGIN (RSA )?PUBLIC KEY/m, 'this is PEM; convert it: ssh-keygen -i -m PKCS8 -f FILE'],
];

/** One line of authorized_keys. */
export function readPublicKey(line: string): KeyReading {
  const other = OTHER_FORMS.find(([form]) => form.test(line));
  if (other !== undefined) return { mistake: other[1] };
  const bare = line.trim();
  if (/[\r\n\0]/.test(bare)) return { mistake: 'expected one line for each key' };
  const plain = readBare(bare, '');
  if (!('mistake' in plain) || startsWithType(bare)) return plain;
  const options = /^(?:"(?:\\"|[^"])*"|\\"|[^\s"])+/.exec(bare)?.[0] ?? '';
  if (!areOptions(options) || options === bare) return { mistake: NO_KEY };
  return readBare(bare.slice(options.length).trimStart(), `${options} `);
}

const NO_KEY = 'expected a public key, as in ~/.ssh/id_ed25519.pub, perhaps behind options that sshd knows';

function startsWithType(line: string): boolean {
  const [type = ''] = line.split(/[ \t]/, 1);
  return TYPES.test(type) || CERTIFICATE.test(type);
}

function readBare(line: string, options: string): KeyReading {
  const [, type = '', text = '', comment] = /^(\S+)[ \t]+(\S+)(?:[ \t]+(.*))?$/.exec(line) ?? [];
  if (CERTIFICATE.test(type)) return { certificate: true };
  if (!TYPES.test(type)) return { mistake: NO_KEY };
  const blob = Buffer.from(text, 'base64');
  const fields = fieldsOf(blob);
  const whole = blob.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
  // The blob repeats the type (RFC 4253, section 6.6), which tells a key from other base64.
  if (!whole || fields?.[0]?.toString('latin1') !== type || !hasParts(type, fields))
    return { mistake: 'the key is damaged, or cut off' };
  if (type === 'ssh-rsa' && bitsOf(fields[2]) < 1024)
    return { mistake: 'sshd refuses RSA keys of less than 1024 bits' };
  return { key: `${options}${type} ${text}${comment === undefined ? '' : ` ${comment.trim()}`}` };
}

/** RFC 4251, section 5: each with its length in front. Undefined when they do not fill the blob. */
function fieldsOf(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = [];
  for (let at = 0; at < blob.length; ) {
    if (at + 4 > blob.length) return undefined;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return undefined;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

function hasParts(type: string, fields: readonly Buffer[]): boolean {
  const security = type.startsWith('sk-') ? 1 : 0;
  if (type.includes('ed25519')) return fields.length === 2 + security && fields[1]?.length === 32;
  return fields.length === 3 + security && fields.every((field) => field.length > 0);
}

function bitsOf(modulus: Buffer | undefined): number {
  return (modulus?.toString('hex').replace(/^0+/, '').length ?? 0) * 4;
}

function areOptions(text: string): boolean {
  const options = text.match(/(?:"(?:\\"|[^"])*"|\\"|[^,"])+/g) ?? [];
  const commas = text.replace(/"(?:\\"|[^"])*"/g, '');
  return (
    text !== '' &&
    !/^,|,,|,$/.test(commas) &&
    options.every((option) => {
      const [, name = '', value] = /^([\w-]+)(?:="((?:\\"|[^"])*)")?$/.exec(option) ?? [];
      return (value === undefined ? FLAGS : VALUES).includes(name.toLowerCase());
    })
  );
}
