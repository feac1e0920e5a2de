import type { PeerChannel } from '../discovery/channel/channel.ts';
import type { Controller, View } from '../engine/controller.ts';
import type { KnownCard } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import type { HaltReason } from './halt.ts';

export interface Eviction {
  readonly controller: Controller;
  /** Whether members say that this node was evicted, and none has let it in since. */
  reason(): HaltReason | undefined;
}

const ASK_MS = 5_000;
const AT_ONCE = 3;

/**
 * A node that was evicted is refused by all, and could only wait for a quorum for ever. So a node without a quorum
 * asks the others, and stands back when one refuses it for that; until one answers it as a member again. Only those
 * are asked whose cards we believe.
 */
export function createEviction(channel: Pick<PeerChannel, 'call'>): Eviction {
  let evictedBy: string | undefined;
  let turn = 0;

  async function ask({ card, address }: KnownCard): Promise<'evicted' | 'answered' | undefined> {
    const target = address ?? card.addresses[0];
    if (target === undefined) return undefined;
    const called = await channel.call({ address: target, port: card.ports.peer }, 'card', {});
    if (called.refused?.code === 'evicted') return 'evicted';
    return called.peer?.id === card.id ? 'answered' : undefined;
  }

  return {
    controller: {
      name: 'eviction',
      inputs: ['facts', 'consensus', 'registry', 'cards'],
      outputs: [],
      whileHalted: true,
      async reconcile(view) {
        if (evictedBy === undefined && !isCutOff(view)) return { againMs: ASK_MS };
        const cards = view.get('cards') ?? [];
        const some = Array.from({ length: Math.min(AT_ONCE, cards.length) }, (_, index) => {
          return cards[(turn + index) % cards.length] as KnownCard;
        });
        turn += AT_ONCE;
        const answers = await Promise.all(
          some.map(async (known) => ({ name: known.card.name, said: await ask(known) })),
        );
        const evicting = answers.find(({ said }) => said === 'evicted');
        // The registry of some may be older than that of others.
        if (evicting !== undefined) evictedBy = evicting.name;
        else if (answers.some(({ said }) => said === 'answered')) evictedBy = undefined;
        return { againMs: ASK_MS };
      },
    },
    reason: () =>
      evictedBy === undefined
        ? undefined
        : {
            code: 'node.evicted',
            condition: {
              code: 'node.evicted',
              state: 'failed',
              summary: 'this node was evicted from its cluster',
              evidence: `${evictedBy} says so`,
              endedBy:
                'node-agent readmit NODE on a member takes it back; node-agent reset --yes makes it a new node',
            },
          },
  };
}

/** In a cluster, and without its quorum, or named as evicted by what we last saw of it. */
function isCutOff(view: View): boolean {
  const [identity, consensus] = [view.get('facts')?.identity, view.get('consensus')];
  if (identity === undefined || identity instanceof AgentError) return false;
  if (consensus?.genesis === undefined || !consensus.confirmed) return false;
  return !consensus.quorum || view.get('registry')?.evicted.includes(identity.id) === true;
}
