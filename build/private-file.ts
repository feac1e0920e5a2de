/** Secrets lie in files that only their owner may read. */
import { OperatorError } from './errors.ts';
import { fileSystemName, isModeless, MODELESS_FIX } from './file-systems.ts';
import { files, pasteable, places } from './host.ts';

/**
 * @param what the file, for the sentence: `the cluster key`
 * @throws OperatorError with `code` when others may read it
 */
export async function assertPrivate(file: string, what: string, code: string): Promise<void> {
  const mode = ((await files.statOrUndefined(file))?.mode ?? 0) & 0o777;
  if ((mode & 0o077) === 0) return;
  const kind = await places.fileSystemOf(file);
  throw new OperatorError({
    code,
    message: `${what} ${file} may be read by others (mode ${mode.toString(8)})${isModeless(kind) ? `: it lies on ${fileSystemName(kind)}, which keeps no permissions` : ''}`,
    fix: isModeless(kind) ? `move it: ${MODELESS_FIX}` : pasteable(['chmod', '600', file]),
  });
}
