import { readKey } from '../agent/identity/cluster-key.ts';
import { parseTokenFile, tokenText } from '../agent/identity/tokens.ts';
import { OperatorError } from '../build/errors.ts';
import { files } from '../build/host.ts';
import { assertPrivate } from '../build/private-file.ts';
import { type KeyFile, readKeyFile, readPublicKey } from '../settings/ssh-keys.ts';

/**
 * The cluster key of a file, as canonical base64.
 *
 * @throws OperatorError `key.missing`, `key.mode` when others may read it, `key.invalid`; none repeats the key
 */
export async function readClusterKey(file: string): Promise<string> {
  const status = await files.statOrUndefined(file);
  if (status === undefined || !status.isFile()) {
    throw new OperatorError({
      code: 'key.missing',
      message: `there is no cluster key ${file}`,
      fix: 'make one with npx clusteros-build init, name another with --key, or omit it with --no-key',
    });
  }
  await assertPrivate(file, 'the cluster key', 'key.mode');
  const { key, reason } = readKey(await files.readBytes(file));
  if (key !== undefined) return key.toString('base64');
  throw new OperatorError({
    code: 'key.invalid',
    message: `${file} is not a cluster key: ${reason}`,
    fix: 'make one with npx clusteros-build init, or with: openssl rand -base64 32',
  });
}

/**
 * The enrolment token in a file, as `node-agent token create` printed it.
 *
 * @throws OperatorError `token.missing`, `token.invalid`; neither repeats the token
 */
export async function readJoinToken(file: string): Promise<string> {
  const status = await files.statOrUndefined(file);
  if (status === undefined || !status.isFile()) {
    throw new OperatorError({
      code: 'token.missing',
      message: `there is no enrolment token ${file}`,
      fix: 'make one on a member: sudo node-agent token create > FILE',
    });
  }
  const token = parseTokenFile(await files.readBytes(file));
  if (token !== undefined) return tokenText(token);
  throw new OperatorError({
    code: 'token.invalid',
    message: `${file} holds no enrolment token; expected 8 characters, a dot, and 24 characters`,
    fix: 'make one on a member: sudo node-agent token create > FILE',
  });
}

/** What people give in place of a file: an address, the key itself, the folder that it lies in. */
function noKeyFile(given: string, message: string): OperatorError {
  const fix = /^https?:\/\//.test(given)
    ? `fetch it first: curl --fail --output keys.pub ${given}`
    : 'name a .pub file, such as ~/.ssh/id_ed25519.pub; one is made by: ssh-keygen -t ed25519';
  return new OperatorError({ code: 'ssh-key.missing', message, fix });
}

/** What `--ssh-key` reads at most: thousands of keys. */
const LARGEST_KEY_FILE = 1024 * 1024;

/** The public SSH keys of a .pub or authorized_keys file, or all that is wrong with it, by line. */
export async function readPublicKeys(file: string): Promise<KeyFile> {
  if ('key' in readPublicKey(file)) throw noKeyFile(file, '--ssh-key takes a file, not the key itself');
  const status = await files.statOrUndefined(file);
  if (status === undefined) throw noKeyFile(file, `there is no file ${file} with public SSH keys`);
  if (status.isDirectory()) throw noKeyFile(file, `${file} is a folder, and no file with public SSH keys`);
  const { size } = status;
  const wrong = (text: string) => ({ keys: [], certificates: [], mistakes: [{ line: 1, text }] });
  if (size > LARGEST_KEY_FILE) return wrong('the file is too large for public keys');
  const found = readKeyFile(await files.readBytes(file));
  const { keys, certificates, mistakes } = found;
  return keys.length + certificates.length + mistakes.length > 0 ? found : wrong('there is no SSH key in it');
}
