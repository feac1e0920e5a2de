/** Who has a place at a server that strangers can reach, and who makes room when there is none left. */
import type { Server, Socket } from 'node:net';

export interface PlaceLimits {
  /** For peers that are not known, and as many again for those that are. */
  readonly connections: number;
  readonly connectionsOfOneAddress: number;
}

export interface Place {
  /** One machine as far as we can tell: an IPv4 address, or a /64 of IPv6, of which each machine may have all. */
  readonly group: string;
  readonly known: boolean;
  /** It has shown that it holds a key. */
  readonly admitted: boolean;
}

/**
 * Whether one more may come, and who goes for it: the oldest that has not shown a key, of the same machine when that
 * one has its share. Nobody who holds a key goes. Pure.
 *
 * @param held oldest first
 */
export function makeRoom<Held extends Place>(
  held: readonly Held[],
  comes: Pick<Place, 'group' | 'known'>,
  limits: PlaceLimits,
): { readonly isAdmitted: boolean; readonly out?: Held } {
  const ofOne = held.filter(({ group }) => group === comes.group);
  const ofKind = held.filter(({ known }) => known === comes.known);
  const full =
    ofOne.length >= limits.connectionsOfOneAddress
      ? ofOne
      : ofKind.length >= limits.connections
        ? ofKind
        : undefined;
  if (full === undefined) return { isAdmitted: true };
  const out = full.find(({ admitted }) => !admitted);
  return out === undefined ? { isAdmitted: false } : { isAdmitted: true, out };
}

/** An IPv4 address as it is; the first 64 bits of an IPv6 address. Pure. */
export function groupOf(address: string): string {
  if (!address.includes(':')) return address;
  const [left = '', right] = (address.split('%')[0] ?? '').split('::');
  const groups = (part: string | undefined) => (part ? part.split(':') : []);
  const [before, after] = [groups(left), groups(right)];
  const zeros = Math.max(0, 8 - before.length - after.length);
  const all = [...before, ...Array<string>(right === undefined ? 0 : zeros).fill('0'), ...after];
  return `${all
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}

/**
 * Hold a TLS server to the limits.
 *
 * @param addressOf a socket's peer, an IPv4 address in its usual form
 * @param isKnown whether a member is there
 */
export function boundPlaces(
  server: Server,
  limits: PlaceLimits,
  addressOf: (socket: Socket) => string,
  isKnown: (address: string) => boolean,
): void {
  const held = new Map<string, Place & { readonly socket: Socket }>();
  const keyOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`;
  server.prependListener('connection', (socket: Socket) => {
    socket.on('error', () => {});
    const key = keyOf(socket);
    const address = addressOf(socket);
    const comes = { group: groupOf(address), known: isKnown(address) };
    const { isAdmitted, out } = makeRoom([...held.values()], comes, limits);
    if (out !== undefined) {
      held.delete(keyOf(out.socket));
      out.socket.destroy();
    }
    if (!isAdmitted) return void socket.destroy();
    held.set(key, { ...comes, admitted: false, socket });
    socket.once('close', () => {
      if (held.get(key)?.socket === socket) held.delete(key);
    });
  });
  server.on('secureConnection', (socket: Socket) => {
    const place = held.get(keyOf(socket));
    if (place !== undefined) held.set(keyOf(socket), { ...place, admitted: true });
  });
}
