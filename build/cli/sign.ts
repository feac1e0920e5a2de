import * as path from 'node:path';
import { OperatorError } from '../errors.ts';
import { files } from '../host.ts';
import { MANIFEST } from '../trust/checksums.ts';
import { keyName } from '../trust/minisign.ts';
import { sealFolder } from '../trust/seal.ts';
import { readSignKey } from '../trust/sign-key.ts';
import { folderOf, isSound, verifyFolder } from '../trust/verify.ts';
import type { Context, Register } from './context.ts';
import { findingLine } from './verify.ts';

export const registerSign: Register = (program, context) => {
  program
    .command('sign <folder>')
    .description('sign artifacts that are built: SBOMs, SHA256SUMS over everything, its signature')
    .requiredOption('--sign-key <file>', 'the secret key (see: sign-key create)')
    .addHelpText(
      'after',
      `
Example:
  npx clusteros-build sign dist/clusteros-debian-13-amd64 --sign-key ~/release.key
`,
    )
    .action((folder: string, flags: { readonly signKey: string }) => sign(context, folder, flags));
};

async function sign(context: Context, named: string, flags: { readonly signKey: string }): Promise<void> {
  const key = await readSignKey(path.resolve(flags.signKey));
  const { folder } = await folderOf(named);
  const { findings } = await verifyFolder(folder);
  if (!isSound(findings)) {
    throw new OperatorError({
      code: 'sign.unsound',
      exit: 'untrusted',
      message: `${folder} is not signed: it is not what its manifest says`,
      evidence: findings
        .filter(({ state }) => state === 'failed' || state === 'missing')
        .map(findingLine)
        .join('\n'),
      fix: 'build it again: npx clusteros-build image',
    });
  }
  const written = await sealFolder(folder, await files.readText(path.join(folder, MANIFEST)), key);
  context.answer({ folder, key: keyName(key.id), files: written }, () =>
    [`signed by ${keyName(key.id)}:`, ...written.map((name) => `  ${name}`)].join('\n'),
  );
}
