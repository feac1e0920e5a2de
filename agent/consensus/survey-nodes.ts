import type { PeerChannel } from '../discovery/channel/channel.ts';
import { expected } from '../errors.ts';
import { clock } from '../host.ts';
import { wallTimes } from '../wall-time.ts';
import { callNode } from './call-node.ts';
import type { Sight } from './genesis.ts';
import type { Inputs } from './inputs.ts';
import { readSurveyAnswer, SURVEY, type Surveyed } from './survey.ts';

/** Ask every node that we have a card of, all at once; who does not answer within the channel's time is silent. */
export async function surveyNodes(
  channel: Pick<PeerChannel, 'call'>,
  inputs: Inputs,
  voters: readonly string[],
  { lastSeenMs, nowMs }: Pick<Sight, 'lastSeenMs' | 'nowMs'>,
): Promise<readonly Surveyed[]> {
  const iso = wallTimes(nowMs, clock.wallClock());
  const asked = inputs.cards.map(async ({ card: { id, name } }): Promise<Surveyed> => {
    const said = await callNode(channel, inputs, id, SURVEY, {}).catch((error) =>
      expected(error, 'node.silent'),
    );
    const atMs = lastSeenMs.get(id);
    const lastSeen = atMs === undefined ? undefined : iso(atMs);
    return { id, name, answer: readSurveyAnswer(said), voter: voters.includes(id), lastSeen };
  });
  return Promise.all(asked);
}
