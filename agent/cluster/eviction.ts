import type { PeerChannel } from '../discovery/channel/channel.ts';
import type { Controller, FoundCondition, Outcome, View } from '../engine/controller.ts';
import type { KnownCard } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import type { HaltReason } from './halt.ts';

interface Eviction {
  readonly controller: Controller;
  /** Whether the registry or a majority of the voters says that this node was evicted, and none has let it in since. */
  reason(): HaltReason | undefined;
}

const ASK_MS = 5_000;
const AT_ONCE = 3;

/** What one node answered; `evicted` only when it has signed that. */
type Said = 'evicted' | 'answered' | undefined;

/**
 * A node that was evicted is refused by all, and could only wait for a quorum for ever. So it stands back, when the
 * registry names it, or when a majority of the voters that it last knew signs that it was evicted: one member alone may
 * be a thief's machine, which could stop every node that is cut off for a moment. It takes part again when somebody
 * answers it as a member. Only those are asked whose cards we believe.
 */
export function createEviction(channel: Pick<PeerChannel, 'call'>): Eviction {
  let evictedBy: string | undefined;
  let turn = 0;
  /** What each voter said last, of those that we know. */
  const voices = new Map<string, Said>();

  async function ask({ card, address }: KnownCard): Promise<Said> {
    const target = address ?? card.addresses[0];
    if (target === undefined) return undefined;
    const called = await channel.call({ address: target, port: card.ports.peer }, 'card', {});
    if (called.refused?.code === 'evicted' && called.refused.by === card.id) return 'evicted';
    return called.peer?.id === card.id ? 'answered' : undefined;
  }

  return {
    controller: {
      name: 'eviction',
      inputs: ['facts', 'consensus', 'registry', 'cards'],
      outputs: [],
      whileHalted: true,
      async reconcile(view): Promise<Outcome> {
        const named = isNamed(view);
        if (evictedBy === undefined && !named && !isCutOff(view)) {
          voices.clear();
          return { againMs: ASK_MS };
        }
        const cards = view.get('cards') ?? [];
        const voters = view.get('consensus')?.lastVoters ?? [];
        const asked = candidates(cards, voters, turn);
        turn += AT_ONCE;
        const answers = await Promise.all(asked.map(async (known) => ({ known, said: await ask(known) })));
        for (const { known, said } of answers) {
          // Silence takes nothing back.
          if (said !== undefined) voices.set(known.card.id, said);
        }
        const saying = voters.filter((id) => voices.get(id) === 'evicted');
        const nameOf = (id: string) => cards.find(({ card }) => card.id === id)?.card.name ?? id;
        const isMajority = saying.length > voters.length / 2;
        // The registry of some may be older than that of others.
        if (isMajority) evictedBy = saying.map(nameOf).join(', ');
        else if (answers.some(({ said }) => said === 'answered')) evictedBy = undefined;
        else if (named) evictedBy ??= "the cluster's registry";
        const claimed = saying.length > 0 && evictedBy === undefined;
        return {
          conditions: claimed ? [claim(saying.map(nameOf), voters.length)] : [],
          againMs: ASK_MS,
        };
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
              evidence: `according to ${evictedBy}`,
              endedBy:
                'node-agent readmit NODE on a member takes it back; node-agent reset --yes makes it a new node',
            },
          },
  };
}

/** All voters that we know, and some of the others, in turns. */
function candidates(cards: readonly KnownCard[], voters: readonly string[], turn: number): KnownCard[] {
  const [voting, others] = [true, false].map((votes) =>
    cards.filter(({ card }) => voters.includes(card.id) === votes),
  ) as [KnownCard[], KnownCard[]];
  const some = Array.from({ length: Math.min(AT_ONCE, others.length) }, (_, index) => {
    return others[(turn + index) % others.length] as KnownCard;
  });
  return [...voting, ...some];
}

function claim(names: readonly string[], voters: number): FoundCondition {
  return {
    code: 'node.eviction-claimed',
    state: 'waiting',
    summary: `${names.join(', ')} says that this node was evicted; a majority of the ${voters} voters would be believed`,
    endedBy:
      'the quorum, or more voters that say so; node-agent members on another node shows whether it is true',
  };
}

function isNamed(view: View): boolean {
  const identity = view.get('facts')?.identity;
  if (identity === undefined || identity instanceof AgentError) return false;
  return view.get('registry')?.evicted.includes(identity.id) === true;
}

/** In a cluster, and without its quorum. */
function isCutOff(view: View): boolean {
  const consensus = view.get('consensus');
  return consensus?.genesis !== undefined && consensus.confirmed && !consensus.quorum;
}
