import type { Log } from '../log.ts';
import { type JoinInput, type JoinTries, planJoins } from './joins.ts';
import { connectSerf } from './rpc/client.ts';
import type { Endpoint } from './rpc/connection.ts';

interface Joiner {
  /**
   * Let Serf join whom the plan names, in the background and on a connection of its own: an address that does
   * not answer holds up its connection for 10 s.
   *
   * @param run which of the Serfs that were started one after the other this is
   * @returns ms until there may be more to do
   */
  joinSome(endpoint: Endpoint, run: number, input: Omit<JoinInput, 'tries' | 'announced'>): number;
}

/** @param onJoined called after each success */
export function createJoiner(log: Log, onJoined: () => void): Joiner {
  let tries: JoinTries = {};
  let busy = false;
  let announcedRun: number | undefined;
  async function join(endpoint: Endpoint, run: number, addresses: readonly string[]): Promise<void> {
    const serf = await connectSerf(endpoint);
    try {
      const reached = await serf.join(addresses);
      log.debug('serf joined', { reached, addresses: addresses.join(' ') });
      announcedRun = run;
      onJoined();
    } finally {
      serf.close();
    }
  }
  return {
    joinSome: (endpoint, run, input) => {
      const plan = planJoins({ ...input, tries, announced: announcedRun === run });
      if (busy || plan.addresses.length === 0) return plan.againMs;
      tries = plan.tries;
      busy = true;
      join(endpoint, run, plan.addresses)
        // Whom Serf refused or who refused us is told by its log; all are tried again.
        .catch((error: Error) => log.debug('serf could not join', { reason: error.message }))
        .finally(() => {
          busy = false;
        });
      return plan.againMs;
    },
  };
}
