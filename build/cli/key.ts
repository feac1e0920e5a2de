import * as path from 'node:path';
import { pasteable } from '../host.ts';
import { keyName, publicKeyText } from '../trust/minisign.ts';
import { createSignKey } from '../trust/sign-key.ts';
import type { Register } from './context.ts';

const SIGN_KEY_NAME = 'clusteros-sign.key';

export const registerSignKey: Register = (program, context) => {
  const family = program.command('sign-key').description('the key that signs artifacts');
  family
    .command('create [file]')
    .description(`make a pair: the secret key (default: ${SIGN_KEY_NAME}) and its .pub`)
    .addHelpText(
      'after',
      `
The secret key has no passphrase, so that builds can sign unattended: whoever can read the file can sign in your
name. It is written 0600, and refused when others may read it. Keep it out of repositories and images.
Both files are minisign's.

Example:
  npx clusteros-build sign-key create ~/release.key
`,
    )
    .action(async (file: string = SIGN_KEY_NAME) => {
      const made = await createSignKey(path.resolve(file));
      const id = keyName(made.key.id);
      const [, line = ''] = publicKeyText(made.key).split('\n');
      context.answer({ file: made.file, public: made.public, id, publicKey: line }, () =>
        [
          `wrote ${made.file}: signs, has NO passphrase; keep it safe`,
          `wrote ${made.public}: checks signatures; give it to everybody`,
          '',
          `next     npx clusteros-build sign dist/<artifact> ${pasteable(['--sign-key', file])}`,
          `         minisign -V -P ${line} -m SHA256SUMS        on any machine`,
        ].join('\n'),
      );
    });
};
