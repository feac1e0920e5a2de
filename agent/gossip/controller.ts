import { createHash } from 'node:crypto';
import type { Controller, FoundCondition, Outcome, View } from '../engine/controller.ts';
import type { Gossip, SignedCard } from '../engine/resources.ts';
import type { Units } from '../engine/units.ts';
import { AgentError, expected } from '../errors.ts';
import type { Facts } from '../gather.ts';
import { clock } from '../host.ts';
import { clusterSubkey } from '../identity/keys.ts';
import type { Log } from '../log.ts';
import type { Paths } from '../paths.ts';
import { chooseAdvertise } from './advertise.ts';
import { deaf, noAddress } from './conditions.ts';
import { serfFiles } from './config.ts';
import { createJoiner } from './joiner.ts';
import { serfProcess } from './process.ts';
import type { SerfClient } from './rpc/client.ts';
import type { Endpoint } from './rpc/connection.ts';
import { createSession } from './session.ts';
import { createSupervisor, endpointOf, type Wanted, withSerf } from './supervisor.ts';

export interface GossipDeps {
  readonly units: Units;
  readonly paths: Pick<Paths, 'run' | 'state'>;
  readonly log: Log;
  /**
   * Somebody was not let in, or did not let us in: "gossip with another key", "gossip without encryption". May
   * come often; must not throw.
   */
  readonly onRefusal: (address: string, reason: string) => void;
  /** The gossip keys; that of the cluster key alone when absent. */
  readonly keyring?: (facts: Facts) => readonly Uint8Array[];
  /** Node ids that are not invited: evicted ones. */
  readonly refused?: () => ReadonlySet<string>;
  /** Where Serf listens, for tests; everywhere when absent. */
  readonly bind?: string;
  /** Monotonic ms; the machine's own unless a test has another. */
  readonly now?: () => number;
}

export interface GossipService {
  readonly controller: Controller;
  /** Say good-bye to the cluster and stop Serf for good; it is not started again by this agent. */
  leave(): Promise<void>;
  /** Make all members forget a node. One that is alive and holds the key comes back: rotate the key. */
  evict(id: string): Promise<void>;
  /** Work with a connection of its own, closed afterwards. @throws AgentError when Serf does not answer */
  withSerf<T>(work: (serf: SerfClient) => Promise<T>): Promise<T>;
  /** Does a Serf that answers have these keys, the first to send with, and no others? */
  holdsKeys(keys: readonly Uint8Array[]): Promise<boolean>;
  /** Something that is no resource has changed, such as the keyring. */
  wake(): void;
}

const STARTING_MS = 100;
const PROBLEM_MS = 1_000;
const IDLE_MS = 5_000;
const REST_MS = 1_000;
const ANSWER_MS = 1_000;
/** A start may take a moment on a slow machine; longer is worth a word. */
const SILENT_MS = 5_000;

/** Keeps Serf running, its tags true and its members joined. */
export function gossipService(deps: GossipDeps): GossipService {
  const files = serfFiles(deps.paths);
  const now = deps.now ?? clock.monotonicMs;
  const serf = serfProcess(deps.units, files);
  let nudge = () => {};
  const session = createSession(() => nudge(), deps.onRefusal);
  const lookAgain = () => {
    session.markStale();
    nudge();
  };
  const supervisor = createSupervisor(serf, session, deps.log);
  const joiner = createJoiner(deps.log, lookAgain);
  let endpoint: Endpoint | undefined;

  /** @returns undefined when the node has no identity, key or settings: others say so */
  async function wanted(
    view: View,
    facts: Facts,
    nowMs: number,
  ): Promise<Wanted | FoundCondition | undefined> {
    const { identity, key } = facts;
    const { settings } = facts.settings;
    if (identity === undefined || identity instanceof AgentError) return undefined;
    if (key === undefined || key instanceof AgentError || settings === undefined) return undefined;
    await supervisor.recall();
    const { told: current } = supervisor;
    const [links, contacts, cards] = [
      view.get('links') ?? [],
      view.get('contacts') ?? [],
      view.get('cards') ?? [],
    ];
    const { members } = session;
    const choice = chooseAdvertise({
      ownId: identity.id,
      links,
      contacts,
      cards,
      members,
      current,
      nowMs,
    });
    // Without a cable a Serf that runs goes on as it is: the address may come back.
    const kept = supervisor.running ? current : undefined;
    const advertise = choice.address ?? kept;
    const problem = choice.address === undefined ? noAddress(choice.claimed) : undefined;
    if (advertise === undefined) return problem;
    return {
      warning: problem,
      settings: {
        id: identity.id,
        advertise,
        port: settings.gossip.port,
        rpcPort: settings.gossip.rpc_port,
        rpcSecret: await serf.rpcSecret(),
        tags: tagsOf(view.get('ownCard'), settings.discovery.port),
        files,
        bind: deps.bind,
      },
      keys: deps.keyring?.(facts) ?? [clusterSubkey(key, 'gossip')],
    };
  }

  const gossip = (running: boolean): { readonly gossip: Gossip } => ({
    gossip: { running, members: session.members, advertise: supervisor.told },
  });

  async function reconcile(view: View): Promise<Outcome> {
    nudge = view.nudge;
    const facts = view.get('facts');
    if (facts === undefined) return {};
    const wish = await wanted(view, facts, now());
    if (wish === undefined) return {};
    const stopped = (problem: FoundCondition, againMs: number): Outcome => ({
      outputs: gossip(false),
      conditions: [problem],
      againMs,
    });
    if (!('settings' in wish)) return stopped(wish, IDLE_MS);
    endpoint = endpointOf(wish.settings);
    const problem = await supervisor.supervise(wish, now());
    if (problem !== undefined) return stopped(problem, PROBLEM_MS);
    // Only now: a start may have taken long, and its time is no silence of the Serf that was started.
    const nowMs = now();
    if (supervisor.leaving) return { outputs: gossip(false) };
    try {
      await session.refresh(endpoint, wish.settings.tags, nowMs);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      deps.log.debug('serf does not answer', { reason: error.message });
      const silentMs = nowMs - (session.silentSinceMs ?? nowMs);
      if (silentMs >= SILENT_MS) return stopped(deaf(silentMs, supervisor.patienceMs), PROBLEM_MS);
      return { outputs: gossip(false), againMs: STARTING_MS };
    }
    const refused = deps.refused?.() ?? new Set();
    for (const { id, status } of session.members) {
      if (status === 'failed' && refused.has(id))
        await prune(id).catch((error) => expected(error, 'gossip.'));
    }
    const joinsMs = joiner.joinSome(endpoint, supervisor.starts, {
      ownId: wish.settings.id,
      own: {
        addresses: (view.get('links') ?? []).flatMap(({ addresses }) => addresses.map((own) => own.address)),
        port: wish.settings.port,
      },
      cards: view.get('cards') ?? [],
      contacts: view.get('contacts') ?? [],
      members: session.members,
      refused,
      nowMs,
    });
    const conditions = wish.warning === undefined ? [] : [wish.warning];
    const alone = !session.members.some(({ id, status }) => id !== wish.settings.id && status === 'alive');
    return {
      outputs: gossip(true),
      conditions,
      againMs: Math.min(joinsMs, IDLE_MS),
      // What Serf says is a nudge; cards and contacts that change are no hurry once there are others.
      restMs: alone ? 0 : REST_MS,
    };
  }

  async function prune(id: string): Promise<void> {
    await withSerf(known(), (client) => client.forceLeave(id, { prune: true }));
    lookAgain();
  }

  const known = (): Endpoint => {
    if (endpoint !== undefined) return endpoint;
    throw new AgentError({
      code: 'gossip.not-running',
      exit: 'notRunning',
      message: 'Serf has not been started yet',
      fix: 'see node-agent status',
    });
  };
  return {
    controller: {
      name: 'gossip',
      inputs: ['facts', 'links', 'contacts', 'cards', 'ownCard'],
      outputs: ['gossip'],
      reconcile,
      close: async () => session.reset(),
    },
    leave: async () => {
      await supervisor.leave(endpoint);
      nudge();
    },
    evict: async (id) => {
      const status = session.members.find((member) => member.id === id)?.status;
      // Serf would forget a living member, and never list it again while memberlist still counts it alive.
      if (status === 'alive' || status === 'leaving') throw stillAlive(id);
      await prune(id);
    },
    withSerf: async (work) => withSerf(known(), work),
    holdsKeys: async (keys) => {
      if (endpoint === undefined || !(await serf.hasKeys(keys))) return false;
      // Its file is written when no Serf runs: one that answers has started with it.
      return withSerf(endpoint, (client) => client.stats(), ANSWER_MS).then(
        () => true,
        (error) => expected(error, 'gossip.') ?? false,
      );
    },
    wake: () => nudge(),
  };
}

function stillAlive(id: string): AgentError {
  return new AgentError({
    code: 'gossip.alive',
    exit: 'refused',
    message: `${id} still gossips; it is forgotten when it falls silent`,
  });
}

/** The tags that others see: 512 bytes at most in all. Pure. */
export function tagsOf(ownCard: SignedCard | undefined, peerPort: number): Record<string, string> {
  const peer = String(peerPort);
  if (ownCard === undefined) return { peer };
  const hash = createHash('sha256').update(Buffer.from(ownCard.body, 'base64')).digest('hex');
  return { card: hash.slice(0, 16), peer };
}
