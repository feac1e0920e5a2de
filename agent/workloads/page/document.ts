import * as z from 'zod';

/**
 * What the page shows of GET /v1/status: every part may be missing, since an agent that has just started knows
 * little, and one of another version knows other things.
 */

const text = z.string().max(500).catch('?');
const words = text.optional();
const list = <T extends z.ZodType>(item: T) => z.array(item).max(1_000).optional().catch(undefined);

const maybe = <T extends z.ZodType>(item: T) => item.optional().catch(undefined);

export const pageDocument = z.object({
  name: words,
  state: words,
  cluster: maybe(z.object({ name: words })),
  consensus: maybe(z.object({ quorum: maybe(z.boolean()), leader: words })),
  members: list(
    z.object({
      id: words,
      name: words,
      status: words,
      place: words,
      meshAddress: words,
      since: words,
      evicted: maybe(z.boolean()),
    }),
  ),
  roles: list(z.object({ role: text, holder: words, address: words, since: words, reason: words })),
  conditions: list(z.object({ summary: text, endedBy: words, since: words })),
});

export type PageDocument = z.infer<typeof pageDocument>;
