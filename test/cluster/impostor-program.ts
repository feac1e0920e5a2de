/**
 * Somebody on a machine that holds the cluster key, and another node's card but not its private key: shows the
 * card to a node by the peer channel, as it is and in worse shape. JSON on stdin, the refusals as JSON on stdout.
 */
import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { makeCard, parseCard, renewMac } from '../../agent/discovery/card.ts';
import { createPeerChannel } from '../../agent/discovery/channel/channel.ts';
import { createKeyring } from '../../agent/discovery/cluster-keys.ts';
import { createRefusals } from '../../agent/discovery/refusals.ts';
import type { SignedCard } from '../../agent/engine/resources.ts';
import { identityFromSeed } from '../../agent/identity/identity.ts';
import { createLog } from '../../agent/log.ts';

export interface Imposture {
  /** Cluster key, base64. */
  readonly key: string;
  readonly card: SignedCard;
  readonly target: { readonly address: string; readonly port: number };
}

export const SHAPES = ['replayed', 'altered', 'oversized', 'large-request'] as const;

/** What the node said to each: the code of its refusal, or why there was no answer. */
export type Verdicts = Readonly<Record<(typeof SHAPES)[number], string>>;

const RANGE = '10.42.0.0/16';

async function impostures({ key, card, target }: Imposture): Promise<Verdicts> {
  const [keys] = createKeyring()([Buffer.from(key, 'base64')]);
  if (keys === undefined) throw new Error('no key');
  const { card: said } = parseCard(Buffer.from(card.body, 'base64'), RANGE);
  if (said === undefined) throw new Error('no card');
  const own = identityFromSeed(randomBytes(32), new Date());
  const ours = { ...said, id: own.id, name: 'impostor' };
  const show = async (id: string, shown: SignedCard, body: unknown = {}): Promise<string> => {
    const log = createLog({ write: () => {} });
    const channel = createPeerChannel({
      log,
      refusals: createRefusals({ log, now: () => performance.now(), wallClock: () => new Date() }),
      self: () => ({
        identity: { ...own, id },
        card: shown,
        keys: [keys],
        tokens: [],
        evicted: new Set(),
        range: RANGE,
      }),
      standing: () => ({ instance: randomBytes(8).toString('hex'), memberMs: 0, duplicate: false }),
      metOurself: () => 'keeps',
      toldDuplicate: () => {},
      admit: async () => undefined,
    });
    const { refused, failed } = await channel.call(target, 'card', body);
    return refused?.code ?? failed ?? 'let in';
  };
  const altered = { ...said, name: 'altered' };
  const alteredCard = { ...card, body: Buffer.from(JSON.stringify(altered)).toString('base64') };
  // Everything about it is right but its size: what is unknown in a card is passed on unread.
  const large = { ...ours, more: 'x'.repeat(5_000) };
  return {
    replayed: await show(said.id, card),
    altered: await show(said.id, renewMac(alteredCard, keys.card)),
    oversized: await show(own.id, makeCard(large, own, keys.card)),
    'large-request': await show(own.id, makeCard(ours, own, keys.card), 'x'.repeat(70_000)),
  };
}

if (import.meta.main) {
  const asked = JSON.parse(await text(process.stdin)) as Imposture;
  process.stdout.write(JSON.stringify(await impostures(asked)));
}
