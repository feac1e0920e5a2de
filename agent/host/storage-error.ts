import { AgentError } from '../errors.ts';

/** Turn an error of the system on a file into one for the operator: `disk.full`, or the code given. */
export function storageError(code: string, message: string, cause: unknown): AgentError {
  if (cause instanceof AgentError) return cause;
  const errno = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const full = errno === 'ENOSPC' || errno === 'EDQUOT';
  return new AgentError({
    code: full ? 'disk.full' : code,
    exit: 'storage',
    message: `${message}: ${REASONS[errno] ?? errno}`,
    fix: full ? 'free some space on the disk' : REMEDIES[errno],
    cause,
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder',
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EIO: 'the disk reports an input/output error',
};

const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'run it as root (sudo node-agent ...)',
  EPERM: 'run it as root (sudo node-agent ...)',
  EIO: 'look at the disk: dmesg, smartctl',
};
