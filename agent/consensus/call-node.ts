import type { PeerChannel } from '../discovery/channel/channel.ts';
import { AgentError } from '../errors.ts';
import type { Inputs } from './inputs.ts';

/** Ask a node that we know by its card. @throws AgentError `node.silent` when that node does not answer, or another one does */
export async function callNode(
  channel: Pick<PeerChannel, 'call'>,
  { cards, gossip }: Pick<Inputs, 'cards' | 'gossip'>,
  id: string,
  kind: string,
  body: unknown,
): Promise<unknown> {
  const known = cards.find(({ card }) => card.id === id);
  const seen = gossip?.members.find((member) => member.id === id)?.address;
  const address = known?.address ?? seen ?? known?.card.addresses[0];
  if (known === undefined || address === undefined) throw silent(id, 'nobody knows where it is');
  const called = await channel.call({ address, port: known.card.ports.peer }, kind, body);
  // Another machine may have the address by now.
  if (called.peer?.id !== id)
    throw silent(id, called.failed ?? called.refused?.reason ?? 'another node answered');
  return called.answer;
}

function silent(id: string, evidence: string): AgentError {
  return new AgentError({
    code: 'node.silent',
    exit: 'notRunning',
    message: `${id} does not answer`,
    evidence,
  });
}
