/** The key that signs artifacts, as a file of its owner. */
import { randomBytes } from 'node:crypto';
import * as path from 'node:path';
import { OperatorError } from '../errors.ts';
import { fileSystemName, MODELESS_FIX } from '../file-systems.ts';
import { files, places } from '../host.ts';
import { assertMayWrite } from '../may-write.ts';
import { assertPrivate } from '../private-file.ts';
import {
  type PublicKey,
  parsePublicKey,
  parseSignKey,
  publicKeyOf,
  publicKeyText,
  type SignKey,
  signKeyOf,
  signKeyText,
} from './minisign.ts';

/** Where the public half of a key file goes: `release.key` -> `release.pub`. */
function publicFileOf(file: string): string {
  return `${file.replace(/\.key$/, '')}.pub`;
}

/**
 * Make a pair: the secret one 0600, the public one beside it. Neither replaces a file.
 *
 * @throws OperatorError `sign-key.exists`, `file.unwritable`
 */
export async function createSignKey(file: string): Promise<{ file: string; public: string; key: PublicKey }> {
  const open = publicFileOf(file);
  for (const name of [file, open]) {
    if (await files.exists(name)) {
      throw new OperatorError({
        code: 'sign-key.exists',
        message: `${name} is there already; a signing key is never replaced`,
        fix: 'name another file, or move this one away',
      });
    }
  }
  for (const name of [file, open]) await assertMayWrite(name, { what: 'a signing key' });
  const folder = path.dirname(file);
  await files.makeFolder(folder);
  if (!(await places.keepsModes(folder))) {
    throw new OperatorError({
      code: 'sign-key.no-modes',
      message: `no key is made in ${folder}: it lies on ${fileSystemName(await places.fileSystemOf(folder))}, which keeps no permissions, so every user of this machine could sign; nothing was written`,
      fix: MODELESS_FIX,
    });
  }
  const key = signKeyOf(randomBytes(32));
  // 'wx': whoever was faster keeps the name.
  const handle = await files.openFile(file, 'wx', 0o600);
  try {
    await handle.writeFile(signKeyText(key));
    await handle.chmod(0o600);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await files.writeAtomic(open, publicKeyText(publicKeyOf(key)));
  return { file, public: open, key: publicKeyOf(key) };
}

/** @throws OperatorError `sign-key.missing`, `sign-key.mode` when others may read it, `sign-key.invalid` */
export async function readSignKey(file: string): Promise<SignKey> {
  const status = await files.statOrUndefined(file);
  if (status === undefined || !status.isFile()) {
    throw new OperatorError({
      code: 'sign-key.missing',
      message: `there is no signing key ${file}`,
      fix: 'make one: npx clusteros-build sign-key create',
    });
  }
  await assertPrivate(file, 'the signing key', 'sign-key.mode');
  const key = parseSignKey(await files.readText(file));
  if (typeof key !== 'string') return key;
  throw new OperatorError({
    code: 'sign-key.invalid',
    message: `${file} cannot sign: ${key}`,
    fix: 'make a key with: npx clusteros-build sign-key create, or with: minisign -G -W',
  });
}

/** @param given a file, or the key itself (one line of base64), as `minisign -P` takes it */
export async function readPublicKey(given: string): Promise<PublicKey> {
  const there = await files.exists(given);
  const key = parsePublicKey(there ? await files.readText(given) : given);
  if (typeof key !== 'string') return key;
  throw new OperatorError({
    code: 'sign-key.invalid',
    message: there ? `${given} cannot check a signature: ${key}` : `there is no public key ${given}`,
    fix: 'name the .pub file of the signer, or give its line of base64',
  });
}
