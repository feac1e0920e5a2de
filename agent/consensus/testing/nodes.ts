import type { TestContext } from 'node:test';
import { settingsSchema } from '../../config/settings.ts';
import type { Peer, PeerChannel } from '../../discovery/channel/channel.ts';
import { childUnits } from '../../engine/child-units.ts';
import type { FoundCondition } from '../../engine/controller.ts';
import type { Consensus, Gossip, KnownCard, Mesh, Resources } from '../../engine/resources.ts';
import type { Units } from '../../engine/units.ts';
import { type Identity, identityFromSeed } from '../../identity/identity.ts';
import { createLog } from '../../log.ts';
import { makeSandbox, type Sandbox } from '../../testing/sandbox.ts';
import { type ConsensusPart, createConsensus } from '../consensus.ts';
import { freePort } from '../etcd/testing/rig.ts';

/** Nodes with real etcd on addresses 127.x.y.z; discovery, gossip and mesh are told what to say. */
export interface TestNode {
  readonly identity: Identity;
  readonly address: string;
  readonly sandbox: Sandbox;
  readonly units: Units;
  readonly peerPort: number;
  readonly clientPort: number;
  part: ConsensusPart;
  consensus: Consensus | undefined;
  conditions: readonly FoundCondition[];
  log: string[];
  /** Machine and agent are there. */
  up: boolean;
  /** Since when Serf says what it says. */
  sinceMs: number;
}

interface TestCluster {
  readonly nodes: readonly TestNode[];
  /** @throws Error with every node's state when it does not come to hold */
  until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs?: number): Promise<void>;
  kill(node: TestNode): Promise<void>;
  /** The agent comes again, and what it finds on the disk is its only memory. */
  revive(node: TestNode): void;
}

export async function startNodes(
  t: TestContext,
  size: number,
  consensus: Record<string, unknown> = {},
): Promise<TestCluster> {
  const subnet = 1 + Math.floor(Math.random() * 250);
  const key = Buffer.alloc(32, 9);
  const handlers = new Map<string, Map<string, Parameters<PeerChannel['handle']>[1]>>();
  const ended = new AbortController();
  const nodes: TestNode[] = [];
  const loops: Promise<void>[] = [];

  const channelOf = (from: () => TestNode): Pick<PeerChannel, 'handle' | 'call'> => ({
    handle: (kind, handler) => {
      const own = handlers.get(from().address) ?? new Map();
      handlers.set(from().address, own.set(kind, handler));
    },
    call: async ({ address }, kind, body) => {
      const target = nodes.find((node) => node.address === address);
      const handler = handlers.get(address)?.get(kind);
      if (target?.up !== true || !from().up || handler === undefined) return { failed: 'nobody there' };
      const peer = { id: from().identity.id } as Peer;
      const answer = await handler(peer, body).catch((error: unknown) => ({ error: String(error) }));
      return { answer, peer: { id: target.identity.id } as Peer };
    },
  });

  for (let index = 0; index < size; index++) {
    const sandbox = makeSandbox(t);
    const node = {
      identity: identityFromSeed(Buffer.alloc(32, 100 + index), new Date(0)),
      address: `127.${subnet}.9.${index + 1}`,
      sandbox,
      units: childUnits(sandbox.paths.run, {}),
      peerPort: await freePort(),
      clientPort: await freePort(),
      consensus: undefined,
      conditions: [],
      log: [],
      up: true,
      sinceMs: performance.now(),
    } as unknown as TestNode;
    sandbox.put('state/.keep', '');
    nodes.push(node);
    makePart(node);
  }

  function makePart(node: TestNode): void {
    node.part = createConsensus({
      paths: node.sandbox.paths,
      log: createLog({ write: (line) => node.log.push(line.trim()) }),
      units: node.units,
      channel: channelOf(() => node),
    });
  }

  function viewOf(node: TestNode): Partial<Resources> {
    const settings = settingsSchema.parse({
      consensus: { peer_port: node.peerPort, client_port: node.clientPort, grace: 5, ...consensus },
    });
    const others = nodes.filter((other) => other !== node);
    const cards = others.map((other): KnownCard => {
      const card = {
        version: 1 as const,
        id: other.identity.id,
        name: `n${nodes.indexOf(other) + 1}`,
        sequence: 1,
        meshKey: '',
        meshAddress: other.address,
        addresses: [other.address],
        ports: { gossip: 1, peer: 1, mesh: 1, raft: other.peerPort, etcd: other.clientPort },
        versions: { agent: '1', image: '1', serf: '1', etcd: '3.4.23' },
        genesis: other.consensus?.genesis,
      };
      const proven = other.up ? { provenMs: performance.now(), address: other.address } : {};
      return { card, signed: { body: '', signature: '', mac: '' }, hash: '', ...proven };
    });
    const gossip: Gossip = {
      running: true,
      members: nodes.map((one) => ({
        id: one.identity.id,
        address: one.address,
        port: 1,
        status: one.up ? ('alive' as const) : ('failed' as const),
        tags: {},
        sinceMs: one.sinceMs,
      })),
    };
    const mesh: Mesh = {
      ready: true,
      driver: 'wireguard-go',
      address: node.address,
      peers: others.map((other) => ({
        id: other.identity.id,
        name: '',
        address: other.address,
        handshakeAge: 1,
      })),
    };
    const facts = { identity: node.identity, key, settings: { settings } } as unknown as Resources['facts'];
    return { facts, cards, gossip, mesh };
  }

  async function loop(node: TestNode): Promise<void> {
    const part = node.part;
    while (!ended.signal.aborted && node.up && node.part === part) {
      const values = viewOf(node);
      const outcome = await part.controller.reconcile(
        { get: (name) => values[name], nudge: () => {} },
        ended.signal,
      );
      if (node.part !== part) return;
      node.consensus = outcome.outputs?.consensus ?? node.consensus;
      node.conditions = outcome.conditions ?? [];
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  const run = (node: TestNode) => {
    loops.push(
      loop(node).catch((error: unknown) => {
        node.log.push(`FAILED ${(error as Error).stack}`);
      }),
    );
  };
  t.after(async () => {
    ended.abort();
    await Promise.all(loops);
    for (const node of nodes) {
      await node.units.stop('etcd', 1);
      await node.part.controller.close?.();
    }
  });
  for (const node of nodes) run(node);

  return {
    nodes,
    async until(what, holds, timeoutMs = 90_000) {
      const end = performance.now() + timeoutMs;
      while (performance.now() < end) {
        if (await holds()) return;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      const told = nodes.map((node) => {
        const { tls: _, genesis, ...rest } = node.consensus ?? {};
        return [
          JSON.stringify({ id: node.identity.id, up: node.up, uuid: genesis?.uuid, ...rest }),
          ...node.conditions.map((condition) => JSON.stringify(condition)),
          ...node.log.slice(-15),
        ].join('\n    ');
      });
      throw new Error(`after ${timeoutMs} ms still not: ${what}\n${told.join('\n')}`);
    },
    async kill(node) {
      node.up = false;
      node.sinceMs = performance.now();
      const { pid } = await node.units.observe('etcd');
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    },
    revive(node) {
      node.up = true;
      node.sinceMs = performance.now();
      makePart(node);
      run(node);
    },
  };
}
