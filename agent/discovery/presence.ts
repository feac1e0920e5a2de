import type { Peer, PeerChannel } from './channel/channel.ts';
import type { Refused } from './channel/envelope.ts';
import { judge, type Standing } from './clones.ts';

/** The run of each node that we have last talked to: a third node sees two machines with one identity first. */
export interface Presence {
  /**
   * May this run count as the node? When another run of it has answered elsewhere, that one is asked whether
   * it still lives; if so, the one that is not to keep the identity is refused.
   */
  check(peer: Peer): Promise<Refused | undefined>;
}

interface Run {
  readonly standing: Standing;
  readonly address: string;
  readonly port: number;
}

const PROBE_MS = 2_000;
const MOST = 2_000;

export function createPresence(channel: () => PeerChannel): Presence {
  const runs = new Map<string, Run>();
  return {
    async check(peer) {
      const before = runs.get(peer.id);
      const current: Run = {
        standing: peer.standing,
        address: peer.address,
        port: peer.card?.ports.peer ?? 0,
      };
      if (before !== undefined && isElsewhere(before, current)) {
        const target = { address: before.address, port: before.port };
        const called = await channel().call(target, 'card', {}, { timeoutMs: PROBE_MS });
        const lives =
          called.peer?.id === peer.id && called.peer.standing.instance === before.standing.instance;
        if (lives && judge(called.peer.standing, peer.standing) === 'keeps') {
          return {
            code: 'duplicate',
            reason: `identity in use by ${before.address}`,
            address: before.address,
          };
        }
      }
      runs.delete(peer.id);
      runs.set(peer.id, current);
      const [oldest] = runs.keys();
      if (runs.size > MOST && oldest !== undefined) runs.delete(oldest);
      return undefined;
    },
  };
}

/** The same address with a new instance is an agent that was started again. */
function isElsewhere(before: Run, current: Run): boolean {
  return before.standing.instance !== current.standing.instance && before.address !== current.address;
}
