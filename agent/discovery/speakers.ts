import type { Link } from '../engine/resources.ts';
import type { DatagramSocket } from '../host/datagram.ts';
import type { MulticastSpeaker } from '../host/multicast-dns.ts';
import { clock, datagram, multicastDns } from '../host.ts';
import { BEACON_SERVICE, beaconFromText, beaconText } from './beacon.ts';
import { inNetwork } from './ip.ts';

/** Speaks and listens on every link: by mDNS, and by UDP broadcast for where multicast is lost; IPv6 has mDNS alone. */
export interface Speakers {
  /** Open what is missing, close what belongs to an address that is gone. Never throws. */
  setLinks(links: readonly Link[], port: number): Promise<void>;
  /** Send the beacon on all links by both ways. */
  send(bytes: Buffer): Promise<void>;
  /** Ask all nodes on all links for their beacons. */
  query(): Promise<void>;
  /** Links on which nothing could be sent by any way, with the reasons. */
  silent(): readonly { readonly link: string; readonly reason: string }[];
  close(): void;
}

interface SpeakerDeps {
  /**
   * @param link on which it came, when that is known
   * @returns whether it came from another node of our cluster
   */
  readonly onBeacon: (bytes: Buffer, from: string, link: string | undefined) => boolean;
  /** Someone asks: the answer goes out by mDNS on that link. */
  readonly answer: () => Buffer | undefined;
  /** How many others would answer too. */
  readonly neighbours: () => number;
  readonly instance: string;
  readonly now: () => number;
}

interface Voice {
  readonly link: string;
  readonly address: string;
  readonly prefix: number;
  readonly broadcast: string | undefined;
  speaker: MulticastSpeaker | undefined;
  multicastError: string | undefined;
  broadcastError: string | undefined;
  retryMs: number;
  answeredMs: number;
  /** Beacons of our cluster that came by mDNS. */
  heard: number;
}

const RETRY_MS = 5_000;
/** An address of IPv6 is there at once, while DHCP still asks for one of IPv4. */
const DHCP_MS = 15_000;
/** Questions may come often; an answer is for all who listen (RFC 6762 section 6: once a second). */
const ANSWER_MS = 1_000;
/** Answers are spread over so long, and so much longer for each node that has one. */
const DELAY_MS = 100;
const DELAY_EACH_MS = 10;
/** Who asks needs one answer: what has heard so many others give it keeps silent. */
const ENOUGH = 3;

export function createSpeakers(deps: SpeakerDeps): Speakers {
  const voices = new Map<string, Voice>();
  let broadcast: DatagramSocket | undefined;
  let broadcastPort = 0;
  let broadcastError: string | undefined;
  let broadcastRetryMs = Number.NEGATIVE_INFINITY;
  const ending = new AbortController();

  const withoutIPv4 = new Map<string, number>();
  const linkOf = (from: string) =>
    [...voices.values()].find(({ address, prefix }) => inNetwork(from, address, prefix))?.link;
  const hear = (bytes: Buffer, from: string, link = linkOf(from)) => deps.onBeacon(bytes, from, link);
  const announce = async (voice: Voice, bytes: Buffer) => {
    const record = { service: BEACON_SERVICE, instance: deps.instance, text: beaconText(bytes) };
    if (voice.speaker) voice.multicastError = await voice.speaker.announce(record);
  };

  const openMulticast = async (voice: Voice) => {
    if (voice.speaker !== undefined || deps.now() < voice.retryMs) return;
    voice.retryMs = deps.now() + RETRY_MS;
    try {
      const speaker = await multicastDns.openMulticast({
        service: BEACON_SERVICE,
        address: voice.address,
        link: voice.link,
        onText: (text, from) => {
          const bytes = beaconFromText(text);
          const link = from.includes(':') ? voice.link : undefined;
          if (bytes !== undefined && hear(bytes, from, link)) voice.heard += 1;
        },
        onQuery: () => {
          if (deps.now() - voice.answeredMs < ANSWER_MS) return;
          voice.answeredMs = deps.now();
          const before = voice.heard;
          const spreadMs = DELAY_MS + DELAY_EACH_MS * deps.neighbours();
          void clock.pause(Math.random() * spreadMs, ending.signal).then(() => {
            const bytes = ending.signal.aborted || voice.heard - before >= ENOUGH ? undefined : deps.answer();
            return bytes && announce(voice, bytes);
          });
        },
        onError: (errno) => {
          voice.speaker = undefined;
          voice.multicastError = errno;
        },
      });
      if (ending.signal.aborted || voices.get(keyOf(voice)) !== voice) speaker.close();
      else voice.speaker = speaker;
      voice.multicastError = undefined;
    } catch (error) {
      voice.multicastError = errnoOf(error);
    }
  };

  const openBroadcast = async (port: number) => {
    if (broadcast !== undefined && broadcastPort === port) return;
    if (broadcastPort === port && deps.now() < broadcastRetryMs) return;
    broadcast?.close();
    broadcast = undefined;
    broadcastPort = port;
    broadcastRetryMs = deps.now() + RETRY_MS;
    try {
      broadcast = await datagram.openBroadcast({
        port,
        onMessage: (bytes, from) => void hear(bytes, from),
        onError: (errno) => {
          broadcast = undefined;
          broadcastError = errno;
        },
      });
      broadcastError = undefined;
      if (ending.signal.aborted) broadcast.close();
    } catch (error) {
      const errno = errnoOf(error);
      broadcastError = errno === 'EADDRINUSE' ? `port ${port}/udp is in use by another program` : errno;
    }
  };

  return {
    async setLinks(links, port) {
      for (const name of withoutIPv4.keys()) {
        if (!links.some((link) => link.name === name && !hasIPv4(link))) withoutIPv4.delete(name);
      }
      const mayUseIPv6 = (link: Link): boolean => {
        if (hasIPv4(link)) return false;
        const sinceMs = withoutIPv4.get(link.name) ?? deps.now();
        withoutIPv4.set(link.name, sinceMs);
        return deps.now() - sinceMs >= DHCP_MS;
      };
      const spoken = links.flatMap((link) => voicesOf(link, mayUseIPv6(link)));
      const wanted = new Map(spoken.map((voice) => [keyOf(voice), voice]));
      for (const [key, voice] of voices) {
        if (wanted.has(key)) continue;
        voice.speaker?.close();
        voices.delete(key);
      }
      for (const [key, voice] of wanted) if (!voices.has(key)) voices.set(key, voice);
      await openBroadcast(port);
      for (const voice of voices.values()) await openMulticast(voice);
    },
    async send(bytes) {
      for (const voice of voices.values()) {
        await announce(voice, bytes);
        voice.broadcastError =
          voice.broadcast === undefined
            ? voice.address.includes(':')
              ? 'IPv6 has none'
              : 'its network has no broadcast address'
            : (broadcastError ??
              (broadcast
                ? await broadcast.send(bytes, voice.broadcast, broadcastPort)
                : 'it is not open yet'));
      }
    },
    async query() {
      for (const voice of voices.values()) {
        if (voice.speaker) voice.multicastError = await voice.speaker.query();
      }
    },
    silent: () =>
      [...voices.values()].flatMap(({ link, multicastError, broadcastError: broadcastFault }) =>
        multicastError === undefined || broadcastFault === undefined
          ? []
          : [{ link, reason: `multicast: ${multicastError}; broadcast: ${broadcastFault}` }],
      ),
    close() {
      ending.abort();
      for (const { speaker } of voices.values()) speaker?.close();
      voices.clear();
      broadcast?.close();
      broadcast = undefined;
    },
  };
}

const hasIPv4 = ({ addresses }: Link) => addresses.some(({ family }) => family === 'IPv4');

/**
 * One for each IPv4 network of a link: mDNS is heard by the whole link, but broadcasts stay in their network. One for
 * IPv6 where there is no IPv4: nodes that met by either would gossip by two families, which do not hear each other.
 */
function voicesOf({ name, addresses }: Link, useIPv6: boolean): Voice[] {
  return addresses
    .filter(({ family }) => family === 'IPv4' || useIPv6)
    .slice(0, useIPv6 ? 1 : 4)
    .map(({ address, prefix, broadcast }) => ({
      link: name,
      address,
      prefix,
      broadcast,
      speaker: undefined,
      multicastError: undefined,
      broadcastError: undefined,
      retryMs: Number.NEGATIVE_INFINITY,
      answeredMs: Number.NEGATIVE_INFINITY,
      heard: 0,
    }));
}

function keyOf({ link, address, prefix }: Voice): string {
  return `${link} ${address}/${prefix}`;
}

function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
