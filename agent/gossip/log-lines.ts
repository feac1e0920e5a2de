/** Somebody whom Serf did not let in, or who did not let us in. */
export interface Refusal {
  /** IP address, without the port: that of a stream is another each time. */
  readonly address: string;
  readonly reason: string;
}

const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/No installed keys could decrypt the message/, 'gossip with another key'],
  [/Encryption is configured but remote state is not encrypted/, 'gossip without encryption'],
  [/Remote state is encrypted and encryption is not configured/, 'gossip with another key'],
  [
    /Cannot decrypt unknown version|Payload is too small to decrypt|Unsupported encryption version/,
    'gossip without encryption',
  ],
];

/**
 * The refusals that an entry of Serf's log tells of; a failed join may name several addresses. Pure.
 *
 * Source: net.go and security.go of hashicorp/memberlist; measured with 0.9.4.
 */
export function refusalsIn(entry: string): Refusal[] {
  return entry.split('\n').flatMap((line) => {
    const reason = REASONS.find(([pattern]) => pattern.test(line))?.[1];
    const address = /\bfrom=(\S+)/.exec(line)?.[1] ?? /Failed to join (\S+?):? /.exec(line)?.[1];
    const plain = address === undefined ? undefined : withoutPort(address);
    return reason === undefined || plain === undefined ? [] : [{ address: plain, reason }];
  });
}

/** What Serf said before it ended, for a condition. */
export type Ending = 'port-busy' | 'rpc-busy' | 'no-address' | 'other';

/** Why Serf did not start, from the end of its output. Pure. */
export function endingOf(lastLines: readonly string[]): Ending {
  const begin = lastLines.findLastIndex((line) => line.includes('Starting Serf agent...'));
  const text = lastLines.slice(Math.max(0, begin)).join('\n');
  if (/Error starting RPC listener: .*address already in use/.test(text)) return 'rpc-busy';
  if (/Failed to start (TCP|UDP) listener .*address already in use/.test(text)) return 'port-busy';
  if (/cannot assign requested address/.test(text)) return 'no-address';
  return 'other';
}

function withoutPort(text: string): string | undefined {
  const inside = /^\[([0-9a-fA-F:.]+)(?:%[^\]]*)?\](?::\d+)?$/.exec(text)?.[1];
  if (inside !== undefined) return inside;
  const four = /^(\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?$/.exec(text)?.[1];
  return four ?? (/^[0-9a-fA-F:.]{2,45}$/.test(text) ? text : undefined);
}
