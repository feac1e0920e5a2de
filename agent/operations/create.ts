import type { EtcdClient } from '../consensus/etcd/types.ts';
import { verifyCard } from '../discovery/card.ts';
import type { Consensus } from '../engine/resources.ts';
import { AgentError } from '../errors.ts';
import { clock } from '../host.ts';
import type { RegisteredNode, Registry } from '../registry/registry.ts';
import { evict, readmit } from './admission.ts';
import { addJoin, removeJoin } from './joins.ts';
import { label } from './label.ts';
import { moveRole } from './move-role.ts';
import type { Done, Operations, RecoverWish } from './operations.ts';
import { requestReset } from './reset.ts';
import { beginRotation, type Recipient } from './rotation-records.ts';
import { createTokenStore } from './token-store.ts';

interface OperationDeps {
  readonly etcd: Pick<EtcdClient, 'range' | 'put' | 'delete' | 'txn' | 'grantLease'>;
  readonly paths: { readonly state: string };
  readonly self: () => string | undefined;
  readonly clusterKey: () => Buffer | undefined;
  readonly consensus: () => Consensus | undefined;
  readonly registry: () => Registry | undefined;
  /** Such as 10.42.0.0/16. */
  readonly meshRange: () => string;
  /** Number of the latest rotation of the cluster key that this node knows of. */
  readonly reachedRotation: () => number | undefined;
  readonly now: () => Date;
  /** From the system's generator. */
  readonly random: (bytes: number) => Buffer;
  /** Called with all addresses when one came or went. */
  readonly joinsChanged: (addresses: readonly string[]) => void;
  /** A node that has left comes back when it is told to join. */
  readonly comeBack: () => void;
  /** Serf's, with prune. */
  readonly forceLeave: (id: string) => Promise<void>;
  readonly leave: () => Promise<Done>;
  readonly recover: (wish: RecoverWish) => Promise<Done>;
  readonly survey: Operations['survey'];
  readonly snapshots: Pick<Operations, 'takeSnapshot' | 'listSnapshots'>;
  /** The reset is written down: have the agent perform it, by ending and starting again or at once. */
  readonly resetRequested: () => void;
}

/** What the API's orders do. Whatever needs the cluster first makes sure that there is one with a quorum. */
export function createOperations(deps: OperationDeps): Operations {
  const tokens = createTokenStore(deps);
  const withQuorum =
    <A extends unknown[], T>(act: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      refuseWithoutQuorum(deps.consensus());
      return act(...args);
    };
  return {
    join: async (address) => {
      deps.joinsChanged(await addJoin(deps.paths.state, address));
      deps.comeBack();
      return { done: `${address} is asked from now on`, note: 'node-agent members shows when it answers.' };
    },
    forgetJoin: async (address) => {
      deps.joinsChanged(await removeJoin(deps.paths.state, address));
      return {
        done: `${address} is not asked any more`,
        note: 'A machine that is a member already stays one: node-agent evict removes it.',
      };
    },
    leave: deps.leave,
    createToken: withQuorum(tokens.create),
    listTokens: withQuorum(tokens.list),
    revokeToken: withQuorum(tokens.revoke),
    evict: withQuorum((node, wish) => evict(deps, node, wish)),
    readmit: withQuorum((node) => readmit(deps, node)),
    label: withQuorum((node, wish) => label(deps.etcd, node, wish)),
    moveRole: withQuorum((role, node) => moveRole({ ...deps, clock }, role, node)),
    rotateKey: withQuorum(() => rotateKey(deps)),
    reset: async () => {
      await requestReset(deps.paths, deps.now());
      deps.resetRequested();
      return {
        done: 'this node forgets everything',
        note: 'A seed that is still attached is taken again at once.',
      };
    },
    survey: deps.survey,
    recover: async (wish) => {
      // To follow gives up this node's cluster, with a quorum too: the operator decides between two.
      if (wish.mode !== 'follow') refuseWithQuorum(deps.consensus());
      return deps.recover(wish);
    },
    takeSnapshot: withQuorum(deps.snapshots.takeSnapshot),
    listSnapshots: deps.snapshots.listSnapshots,
  };
}

async function rotateKey(deps: OperationDeps): Promise<Done> {
  const { etcd, meshRange, random, now, reachedRotation: reached } = deps;
  const key = deps.clusterKey();
  if (key === undefined) throw notNow('this node holds no cluster key');
  const { nodes = [], evicted = [] } = deps.registry() ?? {};
  const recipients = recipientsOf(nodes, evicted, meshRange());
  if (recipients.length === 0) throw notNow('the registry of the cluster is not known here yet');
  const { rotation, endedTokens } = await beginRotation(etcd, recipients, key, random, now(), {
    reached: reached(),
  });
  return {
    done: `the cluster key changes from ${rotation.oldFingerprint} to ${rotation.newFingerprint} on ${recipients.length} nodes`,
    note: `Enrolment tokens that ended with the old key: ${endedTokens}.\nnode-agent events -f shows how far it is. Nodes that are off now get the new key by themselves when they return within 30 days.`,
  };
}

/**
 * Who gets the new key: registered, not evicted, with a card that its own identity has signed. What stands in etcd may
 * have been written by anyone who held the key: an unsigned mesh key could be a thief's. Pure.
 */
export function recipientsOf(
  nodes: readonly RegisteredNode[],
  evicted: readonly string[],
  range: string,
): readonly Recipient[] {
  return nodes.flatMap(({ id, signed }): Recipient[] => {
    const card = verifyCard(signed, { keys: 'trusted', range }).known?.card;
    // The card speaks for the node that it names, and for no other.
    return card?.id !== id || evicted.includes(id) ? [] : [{ id, meshKey: card.meshKey }];
  });
}

function refuseWithoutQuorum(consensus: Consensus | undefined): void {
  if (consensus?.genesis === undefined) throw notNow('this node is in no cluster yet');
  if (!consensus.quorum) throw notNow('the cluster has no quorum, or it cannot be reached from here');
}

/** A recovery makes a second cluster: beside one that works it would only split it. */
function refuseWithQuorum(consensus: Consensus | undefined): void {
  if (!consensus?.quorum) return;
  throw new AgentError({
    code: 'recover.quorum',
    exit: 'notDone',
    message: 'the cluster has a quorum: nothing is lost, and nothing has to be recovered',
    evidence: `${consensus.voters.length} voters, and a majority of them answers`,
    fix: 'node-agent status; a node that is broken itself: node-agent reset --yes on it',
  });
}

function notNow(message: string): AgentError {
  return new AgentError({
    code: 'cluster.not-now',
    exit: 'notDone',
    message,
    fix: 'node-agent status says what is waited for',
  });
}
