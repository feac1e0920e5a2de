import { AgentError } from '../errors.ts';

/** The operator knows etcd, not our units. */
export function renameMissing(error: unknown): never {
  if (!(error instanceof AgentError) || error.code !== 'unit.missing-program') throw error;
  throw new AgentError({
    code: 'consensus.missing',
    exit: 'internal',
    message: 'etcd is not installed: this node cannot vote',
    fix: 'apt-get install etcd-server',
    cause: error,
  });
}
