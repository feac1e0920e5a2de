import * as path from 'node:path';
import { files } from '../host.ts';
import type { Log } from '../log.ts';
import type { Done } from '../operations/operations.ts';
import type { HaltReason } from './halt.ts';

interface DepartureDeps {
  readonly state: string;
  readonly log: Log;
  readonly resignRoles: (reason: string) => Promise<void>;
  /** No voter any more, and no name or address of ours in the registry. @throws AgentError without a quorum */
  readonly leaveConsensus: () => Promise<void>;
  readonly leaveGossip: () => Promise<void>;
}

export interface Departure {
  /** Whether this node has left, in this run or an earlier one. */
  reason(): HaltReason | undefined;
  /** @throws AgentError when the cluster cannot be asked; nothing has changed then */
  leave(): Promise<Done>;
  /** Take part again, after the agent has begun anew. */
  comeBack(): Promise<void>;
}

/** How a node leaves its cluster in order, and stays away over restarts until it is told to come back. */
export async function createDeparture(deps: DepartureDeps): Promise<Departure> {
  const file = path.join(deps.state, 'left.json');
  let left = (await files.look(file)) !== undefined;
  return {
    reason: () => (left ? { code: 'node.left', condition: LEFT } : undefined),
    async leave() {
      await deps.resignRoles('the node leaves');
      await deps.leaveConsensus();
      await files.writeDurable(file, '{"version":1}\n', 0o600);
      await deps.leaveGossip();
      left = true;
      deps.log.info('left the cluster');
      return {
        done: 'this node has left its cluster',
        note: 'It stays away until it is told to come back: node-agent join ADDRESS, with any address of a member.',
      };
    },
    async comeBack() {
      await files.remove(file);
      left = false;
    },
  };
}

const LEFT = {
  code: 'node.left',
  state: 'waiting',
  summary: 'this node has left its cluster',
  endedBy: 'node-agent join ADDRESS takes it back; node-agent reset --yes makes it a new node',
} as const;
