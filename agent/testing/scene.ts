import type { Scene } from '../api/view.ts';
import type { Card, Member, SignedCard } from '../engine/resources.ts';

/** Ids of a made-up cluster, in base58. */
export const IDS = ['A', 'B', 'C', 'D'].map((letter) => letter.repeat(43)) as [
  string,
  string,
  string,
  string,
];

export const NAMES = ['alpha', 'beta', 'gamma', 'delta'] as const;

/** A card with a signature that nobody could verify: for what only displays. */
export function sceneCard(index: number, more: Partial<Card> = {}): SignedCard {
  const card: Card = {
    version: 1,
    id: IDS[index] ?? '',
    name: NAMES[index] ?? '',
    sequence: 1,
    meshKey: Buffer.alloc(32, index + 1).toString('base64'),
    meshAddress: `10.42.0.${index + 1}`,
    addresses: [`192.168.1.${index + 1}`],
    ports: { gossip: 7946, peer: 7947, mesh: 51820, raft: 7373, etcd: 7374 },
    versions: { agent: '1.0.0', image: 'img-1', serf: '0.9.4', etcd: '3.4.23' },
    ...more,
  };
  return { body: Buffer.from(JSON.stringify(card)).toString('base64'), signature: '', mac: '' };
}

export function sceneMember(index: number, status: Member['status'] = 'alive', sinceMs = 0): Member {
  return {
    id: IDS[index] ?? '',
    address: `192.168.1.${index + 1}`,
    port: 7946,
    status,
    tags: {},
    sinceMs,
  };
}

/** Four registered nodes, as alpha sees them at monotonic 100,000 ms: three voters, delta has failed. */
export function scene(): Scene {
  const [a, b, c, d] = IDS;
  return {
    ownCard: sceneCard(0),
    gossip: {
      running: true,
      advertise: '192.168.1.1',
      members: [
        sceneMember(0),
        sceneMember(1),
        sceneMember(2, 'alive', 40_000),
        sceneMember(3, 'failed', 95_000),
      ],
    },
    mesh: {
      ready: true,
      driver: 'kernel',
      address: '10.42.0.1',
      peers: [1, 2, 3].map((index) => ({
        id: IDS[index] ?? '',
        name: NAMES[index] ?? '',
        address: `10.42.0.${index + 1}`,
        endpoint: `192.168.1.${index + 1}:51820`,
        handshakeAge: index === 3 ? 400 : 12,
      })),
    },
    timers: {
      step: 'normal',
      source: 'cluster',
      why: 'gamma: the disk takes 310 ms to sync',
      etcd: 'normal',
      turn: false,
      need: 'fast',
      lateness: { diskMs: 12.4, schedulingMs: 3, networkMs: 1 },
      leaseSeconds: 10,
      graceSeconds: 60,
    },
    consensus: {
      genesis: { uuid: '0f8fad5b-d9cb-469f-a165-70867728950e', founder: b, expect: 4, signature: '' },
      confirmed: true,
      place: 'voter',
      quorum: true,
      leader: b,
      voters: [a, b, c],
      learners: [],
      endpoints: ['https://10.42.0.1:7374'],
      databaseBytes: 40_960,
      quotaBytes: 2_147_483_648,
      alarms: [],
      snapshot: { takenAt: '1969-12-31T23:30:00Z' },
    },
    registry: {
      nodes: [0, 1, 2, 3].map((index) => ({
        id: IDS[index] ?? '',
        signed: sceneCard(index),
        registeredAt: '2026-01-01T00:00:00.000Z',
      })),
      addresses: {},
      names: {},
      holders: [
        { role: 'page', id: c, fence: '17', since: '2025-12-31T23:59:00.000Z', address: '10.42.255.1' },
      ],
      evicted: [],
      tokens: [],
    },
    roles: [
      { role: 'page', state: 'candidate', holder: c },
      {
        ...{ role: 'slurm', state: 'waiting', reason: 'no engine' },
        ...{ endedBy: 'install the image of the other nodes on this one', sinceMs: 58_000 },
      },
    ],
    refusals: [
      {
        address: '192.168.1.66',
        code: 'other-key',
        reason: 'it holds another cluster key',
        times: 14,
        first: '2025-12-31T23:50:00.000Z',
        last: '2025-12-31T23:58:00.000Z',
      },
    ],
    events: [
      { at: '2025-12-31T23:59:55.000Z', seq: 9, kind: 'member.failed', summary: 'delta failed', node: d },
    ],
  };
}
