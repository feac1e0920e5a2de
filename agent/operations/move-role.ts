import type { EtcdClient } from '../consensus/etcd/types.ts';
import { AgentError, expected } from '../errors.ts';
import { KEYS } from '../registry/keys.ts';
import { registryOf } from '../registry/reduce.ts';
import type { Holder, Move } from '../registry/registry.ts';
import { isLater } from '../roles/plan.ts';
import { WORKLOADS } from '../workloads/workloads.ts';
import type { Done, MoveTarget } from './operations.ts';

interface MoveDeps {
  readonly etcd: Pick<EtcdClient, 'range' | 'txn' | 'grantLease'>;
  readonly clock: { monotonicMs(): number; pause(ms: number): Promise<void> };
}

/** Of the wish, should nobody be left to take it back. */
const LEASE_SECONDS = 180;
/** An orderly stop on the slowest machines, and a start. */
const LIMIT_MS = 120_000;
const LOOK_MS = 250;

/**
 * Have a node take a role over: the wish stands in etcd; the node says that it takes the role, or why it does not; only
 * then the holder stops it in order and gives it back. Settles when the node holds it.
 *
 * @throws AgentError `role.unknown`, `role.absent`, `role.moving`, `role.refused`, `role.not-moved`; EtcdError without a quorum
 */
export async function moveRole(
  { etcd, clock }: MoveDeps,
  role: string,
  { id: node, name, status }: MoveTarget,
): Promise<Done> {
  if (!WORKLOADS.some((one) => one.name === role)) throw unknown(role);
  const before = await holderOf(etcd, role);
  if (before?.id === node) return { done: `${name} holds the role ${role} already` };
  if (status !== 'alive') throw absent(role, name, status);
  const key = KEYS.move(role);
  await refuseAnother(etcd, key, role);
  const { id: lease } = await etcd.grantLease(LEASE_SECONDS);
  const wish = await etcd.txn({
    compare: [{ key, target: 'create', value: '0' }],
    success: [{ kind: 'put', key, value: JSON.stringify({ to: node }), lease }],
  });
  if (!wish.succeeded) throw moving(role);
  const ours = { key, target: 'create', value: wish.revision } as const;
  try {
    const startMs = clock.monotonicMs();
    for (;;) {
      const holder = await holderOf(etcd, role);
      if (holder?.id === node) return { done: `${name} holds the role ${role}` };
      const move = await moveOf(etcd, role);
      const isReady = move?.answer === 'ready';
      if (move?.answer !== undefined && move.answer !== 'ready') throw refused(role, name, move.answer);
      if (isReady && holder !== undefined && isLater(holder.fence, move)) throw missed(role, name, holder.id);
      if (clock.monotonicMs() - startMs > LIMIT_MS) throw notMoved(role, name, isReady);
      await clock.pause(LOOK_MS);
    }
  } finally {
    const done = { compare: [ours], success: [{ kind: 'delete', key }] } as const;
    // Else its lease ends it.
    await etcd.txn(done).catch((error) => expected(error, 'etcd.'));
  }
}

/** What is no wish would stand in the way for ever: it is removed. */
async function refuseAnother(etcd: MoveDeps['etcd'], key: string, role: string): Promise<void> {
  const [found] = (await etcd.range(key)).kvs;
  if (found === undefined) return;
  const move = registryOf([found]).registry.moves?.[role];
  if (move !== undefined) throw moving(role, move.to);
  const same = { key, target: 'mod', value: found.modRevision } as const;
  await etcd.txn({ compare: [same], success: [{ kind: 'delete', key }] });
}

async function moveOf(etcd: Pick<EtcdClient, 'range'>, role: string): Promise<Move | undefined> {
  return registryOf((await etcd.range(KEYS.move(role))).kvs).registry.moves?.[role];
}

async function holderOf(etcd: Pick<EtcdClient, 'range'>, role: string): Promise<Holder | undefined> {
  return registryOf((await etcd.range(KEYS.role(role))).kvs).registry.holders[0];
}

function unknown(role: string): AgentError {
  return new AgentError({
    code: 'role.unknown',
    exit: 'usage',
    message: `there is no role ${JSON.stringify(role.slice(0, 40))}`,
    fix: `name one of these: ${WORKLOADS.map((one) => one.name).join(', ')}`,
  });
}

function absent(role: string, name: string, status: string): AgentError {
  return new AgentError({
    code: 'role.absent',
    exit: 'notDone',
    message: `${name} cannot take the role ${role}: it is ${status}`,
    fix: 'start it, or mend the network to it: node-agent members',
  });
}

function moving(role: string, to?: string): AgentError {
  return new AgentError({
    code: 'role.moving',
    exit: 'notDone',
    message: `the role ${role} is being moved already${to === undefined ? '' : `, to ${to.slice(0, 8)}`}`,
    fix: `wait until that ends, within ${LEASE_SECONDS / 60} minutes; then try again`,
  });
}

function refused(role: string, name: string, why: { reason: string; endedBy: string }): AgentError {
  return new AgentError({
    code: 'role.refused',
    exit: 'notDone',
    message: `${name} does not take the role ${role}: ${why.reason}`,
    evidence: 'nothing was changed',
    fix: why.endedBy,
  });
}

/** Who takes a role after the yes of the other node keeps it, see `planRole`. */
function missed(role: string, name: string, holder: string): AgentError {
  return new AgentError({
    code: 'role.not-moved',
    exit: 'notDone',
    message: `${name} said that it takes the role ${role}, and did not: ${holder.slice(0, 8)} has it now`,
    fix: `is ${name} on? node-agent members; its journal says why the role did not start there`,
  });
}

function notMoved(role: string, name: string, isReady: boolean): AgentError {
  return new AgentError({
    code: 'role.not-moved',
    exit: 'notDone',
    message: isReady
      ? `the role ${role} has not come to ${name} within ${LIMIT_MS / 1_000} s`
      : `${name} does not say whether it takes the role ${role}`,
    fix: isReady
      ? 'node-agent status shows who holds it; the journal of that node tells why it does not stop'
      : `is it on, and its agent as new as this one? node-agent members`,
  });
}
