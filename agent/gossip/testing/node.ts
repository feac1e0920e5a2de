import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { DEFAULT_SETTINGS } from '../../config/settings.ts';
import { childUnits } from '../../engine/child-units.ts';
import { type FoundCondition, runControllers } from '../../engine/controller.ts';
import type { Gossip, Resources } from '../../engine/resources.ts';
import { createStore, type Store } from '../../engine/store.ts';
import type { Units } from '../../engine/units.ts';
import type { Facts } from '../../gather.ts';
import { clock } from '../../host.ts';
import { type Identity, identityFromSeed } from '../../identity/identity.ts';
import { createLog } from '../../log.ts';
import { makeSandbox } from '../../testing/sandbox.ts';
import { type GossipDeps, type GossipService, gossipService } from '../controller.ts';
import { knownCard } from './fixtures.ts';

/** The gossip part of an agent on an address of loopback, with the real Serf. */
export interface TestNode {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly rpcPort: number;
  readonly run: string;
  readonly state: string;
  readonly units: Units;
  readonly store: Store<Resources>;
  readonly refusals: { address: string; reason: string }[];
  readonly log: string[];
  service: GossipService;
  conditions(): readonly FoundCondition[];
  gossip(): Gossip | undefined;
  /** Start the agent's part again, after {@link TestNode.stopAgent}. */
  startAgent(): void;
  /** Serf stays. */
  stopAgent(): Promise<void>;
  /** Change what the agent gets; the address too. */
  know(...others: readonly TestNode[]): void;
  move(address: string): void;
}

export interface TestNodeOptions {
  readonly address: string;
  readonly port: number;
  readonly key: Buffer;
  readonly units?: (usual: Units) => Units;
  readonly now?: () => number;
  readonly keyring?: NonNullable<GossipDeps['keyring']>;
  readonly refused?: NonNullable<GossipDeps['refused']>;
}

export async function startNode(t: TestContext, options: TestNodeOptions): Promise<TestNode> {
  // Before the sandbox is asked for, since what is registered first is done first: without its record in there
  // Serf would not be found any more.
  let end = async () => {};
  t.after(() => end());
  const { paths, environment } = makeSandbox(t);
  const usual = childUnits(paths.run, environment);
  const units = options.units?.(usual) ?? usual;
  const identity = identityFromSeed(Buffer.from(crypto.getRandomValues(new Uint8Array(32))), new Date());
  const rpcPort = await freePort('127.0.0.1');
  const store = createStore<Resources>();
  store.set('facts', factsOf(identity, options, rpcPort));
  const refusals: TestNode['refusals'] = [];
  const log: string[] = [];
  let stop = new AbortController();
  let engine: ReturnType<typeof runControllers> | undefined;
  const create = () =>
    gossipService({
      units,
      paths,
      log: createLog({ write: (line) => log.push(line), level: 'debug' }),
      onRefusal: (address, reason) => refusals.push({ address, reason }),
      bind: options.address,
      ...(options.now && { now: options.now }),
      ...(options.keyring && { keyring: options.keyring }),
      ...(options.refused && { refused: options.refused }),
    });
  const node: TestNode = {
    id: identity.id,
    address: options.address,
    port: options.port,
    rpcPort,
    run: paths.run,
    state: paths.state,
    units,
    store,
    refusals,
    log,
    service: create(),
    conditions: () => engine?.conditions() ?? [],
    gossip: () => store.get('gossip'),
    startAgent: () => {
      stop = new AbortController();
      node.service = create();
      engine = runControllers({
        controllers: [node.service.controller],
        store,
        log: createLog({ write: (line) => log.push(line) }),
        stop: stop.signal,
        halted: () => false,
        giveUp: assert.fail,
      });
    },
    stopAgent: async () => {
      stop.abort();
      await engine?.done;
    },
    know: (...others) => {
      const now = clock.monotonicMs();
      store.set(
        'cards',
        others.map(({ id, address }) =>
          knownCard(id, [address], { gossipPort: options.port, address, provenMs: now }),
        ),
      );
    },
    move: (address) => store.set('links', [loopback(address)]),
  };
  node.move(options.address);
  end = async () => {
    await node.stopAgent();
    await usual.stop('serf', 2_000);
  };
  return node;
}

/** Settles when the condition holds. @throws Error with what was seen last */
export async function until(
  what: string,
  holds: () => boolean,
  seen: () => unknown,
  ms = 30_000,
): Promise<void> {
  const deadline = clock.monotonicMs() + ms;
  while (!holds()) {
    if (clock.monotonicMs() > deadline) {
      throw new Error(
        `${what}: not within ${ms / 1000} s; last seen: ${JSON.stringify(seen(), undefined, 1)}`,
      );
    }
    await clock.pause(20);
  }
}

export async function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function loopback(address: string) {
  return {
    name: 'lo',
    index: 1,
    mac: '00:00:00:00:00:00',
    multicast: false,
    addresses: [{ family: 'IPv4' as const, address, prefix: 24 }],
  };
}

function factsOf(identity: Identity, { port, key }: TestNodeOptions, rpcPort: number): Facts {
  return {
    identity,
    identityCreated: true,
    key,
    settings: {
      settings: { ...DEFAULT_SETTINGS, gossip: { ...DEFAULT_SETTINGS.gossip, port, rpc_port: rpcPort } },
    },
    seed: [],
    holdsSeedSettings: false,
    spoilt: [],
    storage: undefined,
  };
}
