import { randomBytes } from 'node:crypto';
import type { ConsensusPart } from '../consensus/consensus.ts';
import type { EtcdClient } from '../consensus/etcd/types.ts';
import type { Resources } from '../engine/resources.ts';
import type { Store } from '../engine/store.ts';
import { AgentError } from '../errors.ts';
import { clock } from '../host.ts';
import type { Log } from '../log.ts';
import { createOperations } from '../operations/create.ts';
import type { Operations } from '../operations/operations.ts';
import type { Paths } from '../paths.ts';
import type { Departure } from './departure.ts';

export interface OrderDeps {
  readonly store: Store<Resources>;
  readonly etcd: EtcdClient;
  readonly paths: Paths;
  readonly log: Log;
  readonly consensus: ConsensusPart;
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
  const { store, consensus, departure } = deps;
  return createOperations({
    etcd: deps.etcd,
    paths: deps.paths,
    self: () => idOf(store),
    clusterKey: () => keyOf(store),
    consensus: () => store.get('consensus'),
    registry: () => store.get('registry'),
    meshRange: () => store.get('facts')?.settings.settings?.mesh.range ?? '',
    now: clock.wallClock,
    random: randomBytes,
    joinsChanged: deps.joinsChanged,
    comeBack: () => {
      if (departure.reason() !== undefined) void comeBack(deps);
    },
    forceLeave: deps.forceLeave,
    leave: departure.leave,
    recover: async ({ mode, snapshot }) => ({
      done: await (mode === 'from-snapshot'
        ? consensus.recoverFromSnapshot(snapshot)
        : consensus.forceNewCluster()),
    }),
    resetRequested: () => void leaveThenBegin(deps),
  });
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
