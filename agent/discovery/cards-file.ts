import * as path from 'node:path';
import * as z from 'zod';
import type { SignedCard } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import { files } from '../host.ts';
import type { Log } from '../log.ts';
import { CARD_BYTES } from './card.ts';
import { MOST_CARDS } from './known-cards.ts';

const schema = z.strictObject({ version: z.literal(1), cards: z.array(z.unknown()).max(MOST_CARDS) });
const LIMIT = MOST_CARDS * (CARD_BYTES * 2);

/** The cards of the last run, not believed yet; none when the file is missing or damaged. */
export async function loadCards(stateFolder: string, log: Log): Promise<readonly unknown[]> {
  try {
    const found = await files.readLimited(fileIn(stateFolder), LIMIT);
    if (found === undefined) return [];
    return schema.parse(JSON.parse(found.bytes.toString('utf8'))).cards;
  } catch (error) {
    // Everything in it is learned again from the first peer; ours to know, not to fail on.
    if (!(error instanceof AgentError || error instanceof SyntaxError || error instanceof z.ZodError)) {
      throw error;
    }
    log.warning('the cards of the last run could not be read', { reason: error.message.slice(0, 200) });
    return [];
  }
}

export async function saveCards(stateFolder: string, cards: readonly SignedCard[]): Promise<void> {
  const text = JSON.stringify({ version: 1, cards: cards.slice(0, MOST_CARDS) });
  await files.writeDurable(fileIn(stateFolder), `${text}\n`, 0o600);
}

function fileIn(stateFolder: string): string {
  return path.join(stateFolder, 'cards.json');
}
