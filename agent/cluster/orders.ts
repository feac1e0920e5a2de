import { randomBytes } from 'node:crypto';
import type { ConsensusPart } from '../consensus/consensus.ts';
import type { EtcdClient } from '../consensus/etcd/types.ts';
import type { AfterRecovery } from '../consensus/recover.ts';
import { describeSurvey, refuseWhereItLives } from '../consensus/survey.ts';
import type { Resources } from '../engine/resources.ts';
import type { Store } from '../engine/store.ts';
import { AgentError } from '../errors.ts';
import { clock } from '../host.ts';
import type { Log } from '../log.ts';
import { afterRecovery } from '../operations/after-recovery.ts';
import { createOperations } from '../operations/create.ts';
import { findNode } from '../operations/find-node.ts';
import type { KeyHolder } from '../operations/held-keys.ts';
import type { Done, Operations, RecoverWish } from '../operations/operations.ts';
import type { Paths } from '../paths.ts';
import type { Departure } from './departure.ts';

interface OrderDeps {
  readonly store: Store<Resources>;
  readonly etcd: EtcdClient;
  readonly paths: Paths;
  readonly log: Log;
  readonly consensus: ConsensusPart;
  readonly keys: KeyHolder;
  readonly departure: Departure;
  readonly forceLeave: (id: string) => Promise<void>;
  /** All machines to ask that an operator named, when one came or went. */
  readonly joinsChanged: (addresses: readonly string[]) => void;
  /** Begin anew in the same process. */
  readonly again: () => void;
}

const LEAVE_MS = 30_000;

/** What the API's orders do, on top of the running parts. */
export function createOrders(deps: OrderDeps): Operations {
  const { store, departure } = deps;
  return createOperations({
    etcd: deps.etcd,
    paths: deps.paths,
    self: () => idOf(store),
    clusterKey: () => keyOf(store),
    consensus: () => store.get('consensus'),
    registry: () => store.get('registry'),
    reachedRotation: () => deps.keys.now()?.reached?.number,
    meshRange: () => store.get('facts')?.settings.settings?.mesh.range ?? '',
    now: clock.wallClock,
    random: randomBytes,
    joinsChanged: deps.joinsChanged,
    comeBack: () => {
      if (departure.reason() !== undefined) void comeBack(deps);
    },
    forceLeave: deps.forceLeave,
    leave: departure.leave,
    recover: (wish) => recover(deps, wish),
    survey: async () => ({ lines: describeSurvey(await deps.consensus.survey()) }),
    snapshots: { takeSnapshot: deps.consensus.takeSnapshot, listSnapshots: deps.consensus.listSnapshots },
    resetRequested: () => void leaveThenBegin(deps),
  });
}

async function recover({ store, consensus, keys, paths }: OrderDeps, wish: RecoverWish): Promise<Done> {
  if (wish.mode === 'follow') {
    // Of the cards: gossip and registry may know nobody, since the key was changed.
    const { id, name } = findNode(
      (store.get('cards') ?? []).map(({ card }) => card),
      wish.node,
    );
    await consensus.follow(id);
    return {
      done: `this node follows the cluster that was recovered on ${name} (${id})`,
      note: 'Its own data is put aside, not deleted. node-agent status shows when it is a member.',
    };
  }
  const survey = await consensus.survey();
  refuseWhereItLives(survey);
  if (wish.mode === 'trust-disk') {
    await consensus.trustDisk();
    return { done: 'etcd starts with the data on this disk', note: describeSurvey(survey).join('\n') };
  }
  const facts = store.get('facts');
  const after =
    (rotate: boolean): AfterRecovery =>
    (etcd) => {
      if (!facts?.identity || facts.identity instanceof AgentError) throw new Error('no identity');
      const about = {
        state: paths.state,
        identity: facts.identity,
        keys,
        cards: store.get('cards') ?? [],
        meshRange: facts.settings.settings?.mesh.range ?? '',
        now: clock.wallClock(),
        random: randomBytes,
      };
      return afterRecovery(etcd, about, rotate);
    };
  const { done, notes } = await (wish.mode === 'from-snapshot'
    ? consensus.recoverFromSnapshot(wish.snapshot, after(true))
    : consensus.forceNewCluster(after(false)));
  return { done, note: [...describeSurvey(survey), ...notes].join('\n') };
}

/** A node that is told to forget everything first takes its leave, if there is anybody to listen. */
async function leaveThenBegin({ departure, log, again }: OrderDeps): Promise<void> {
  try {
    await Promise.race([departure.leave(), clock.pause(LEAVE_MS)]);
  } catch (error) {
    log.warning('the node is reset without the cluster having let it go', { reason: String(error) });
  }
  again();
}

async function comeBack({ consensus, departure, log, again }: OrderDeps): Promise<void> {
  try {
    await consensus.rejoin();
    await departure.comeBack();
    again();
  } catch (error) {
    log.error('the node could not come back', { reason: String(error) });
  }
}

function idOf(store: Store<Resources>): string | undefined {
  const identity = store.get('facts')?.identity;
  return identity === undefined || identity instanceof AgentError ? undefined : identity.id;
}

function keyOf(store: Store<Resources>): Buffer | undefined {
  const key = store.get('facts')?.key;
  return Buffer.isBuffer(key) ? key : undefined;
}
