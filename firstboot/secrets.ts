import { readKey } from '../agent/identity/cluster-key.ts';
import { parseToken, tokenText } from '../agent/identity/tokens.ts';
import { OperatorError } from '../build/errors.ts';
import { files } from '../build/host.ts';
import { keyLines } from './checks.ts';

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
      fix: 'make one with npx clusteros-build init, name another with --key, or leave it out with --no-key',
    });
  }
  if ((status.mode & 0o077) !== 0) {
    throw new OperatorError({
      code: 'key.mode',
      message: `the cluster key ${file} may be read by others (mode ${(status.mode & 0o777).toString(8)})`,
      fix: `chmod 600 ${file}`,
    });
  }
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
  // The command says more below the token, which people save with it.
  const [line = ''] = (await files.readText(file)).trimStart().split('\n', 1);
  const token = parseToken(line);
  if (token !== undefined) return tokenText(token);
  throw new OperatorError({
    code: 'token.invalid',
    message: `${file} holds no enrolment token; expected 8 characters, a dot, and 24 characters`,
    fix: 'make one on a member: sudo node-agent token create > FILE',
  });
}

/** The public SSH keys of a .pub or authorized_keys file. They are checked with the rest of the seed. */
export async function readPublicKeys(file: string): Promise<string[]> {
  const lines = keyLines(await files.readText(file));
  if (lines.length > 0) return lines;
  throw new OperatorError({
    code: 'seed.invalid',
    message: `there is no SSH key in ${file}`,
    fix: 'name a public key, such as ~/.ssh/id_ed25519.pub',
  });
}
