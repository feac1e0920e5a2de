import { isIP } from 'node:net';

/**
 * What single members say of this node, which would stop it: that its identity is in use elsewhere. One member may be
 * a thief's machine, and could stop every honest node. So one voice is a reason to go and look, and no more: the other
 * machine can prove to have our identity. Where it cannot be reached, a majority of the last known voters counts.
 */
interface Rumours {
  heard(address: string, by: string): void;
}

interface RumourDeps {
  /** Monotonic ms. */
  readonly now: () => number;
  /** As a majority last said, ourselves perhaps among them. */
  readonly voters: () => readonly string[];
  /** Call the machine there: if it has our identity, both learn it. */
  readonly look: (address: string) => void;
  /** It is so. */
  readonly believed: (address: string) => void;
}

const VOICE_MS = 60_000;
const LOOK_MS = 5_000;
const MOST = 64;

export function createRumours({ now, voters, look, believed }: RumourDeps): Rumours {
  /** By member. */
  const voices = new Map<string, { readonly address: string; readonly atMs: number }>();
  let lookedMs = Number.NEGATIVE_INFINITY;
  return {
    heard(address, by) {
      if (isIP(address) === 0) return;
      voices.delete(by);
      voices.set(by, { address, atMs: now() });
      const [oldest] = voices.keys();
      if (voices.size > MOST && oldest !== undefined) voices.delete(oldest);
      if (now() - lookedMs >= LOOK_MS) {
        lookedMs = now();
        look(address);
      }
      const known = voters();
      const fresh = known.filter(
        (id) => now() - (voices.get(id)?.atMs ?? Number.NEGATIVE_INFINITY) < VOICE_MS,
      );
      if (known.length > 0 && fresh.length > known.length / 2) believed(address);
    },
  };
}
