/** Puts the layers' users into the account files of a tree: passwd(5), group(5), shadow(5), gshadow(5). Pure. */
import type { LayerUser } from '../../image-layers/layer.ts';

export const ACCOUNT_FILES = ['/etc/passwd', '/etc/group', '/etc/shadow', '/etc/gshadow'] as const;
type AccountFile = (typeof ACCOUNT_FILES)[number];

/**
 * A file with a line for each user: without a password, a home and a shell, in a group of the same name and number.
 *
 * @throws Error when a name or a number has been taken by a package
 */
export function withUsers(file: AccountFile, text: string, users: readonly LayerUser[]): string {
  const taken = text.split('\n').map((line) => line.split(':'));
  for (const { name, id } of users) {
    const clash = taken.find(
      ([known, , number]) =>
        known === name || (number === String(id) && ['/etc/passwd', '/etc/group'].includes(file)),
    );
    if (clash !== undefined)
      throw new Error(`${file} of the packages has ${clash[0]}: no place for ${name} (${id})`);
  }
  return text + users.map((user) => `${line(file, user)}\n`).join('');
}

function line(file: AccountFile, { name, id, summary }: LayerUser): string {
  if (file === '/etc/passwd') return `${name}:x:${id}:${id}:${summary}:/nonexistent:/usr/sbin/nologin`;
  if (file === '/etc/group') return `${name}:x:${id}:`;
  return file === '/etc/shadow' ? `${name}:!*:::::::` : `${name}:!*::`;
}
