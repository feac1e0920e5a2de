import { type LabelChanges, labelChangesSchema, MOST_LABEL_BYTES, MOST_LABELS } from '../config/labels.ts';
import type { EtcdClient } from '../consensus/etcd/types.ts';
import { AgentError } from '../errors.ts';
import { KEYS } from '../registry/keys.ts';
import { labelsRecord, parseValue } from '../registry/records.ts';
import type { Done, LabelWish } from './operations.ts';

/** Two operators at once: each sees what the other did. */
const TRIES = 5;

/**
 * Override labels of a node's settings. The node may be off: it reads the changes from etcd when it starts.
 *
 * @param node id
 * @throws AgentError `label.most`, `label.busy`; EtcdError without a quorum
 */
export async function label(
  etcd: Pick<EtcdClient, 'range' | 'txn'>,
  node: string,
  { name, changes, reset = false }: LabelWish,
): Promise<Done> {
  const key = KEYS.labels(node);
  for (let tried = 0; tried < TRIES; tried += 1) {
    const [found] = (await etcd.range(key)).kvs;
    const before = found && !reset ? parseValue(labelsRecord, found.value)?.changes : undefined;
    const after: LabelChanges = { ...before, ...changes };
    if (!labelChangesSchema.safeParse(after).success) throw tooMany(name);
    const isNothing = Object.keys(after).length === 0;
    const { succeeded } = await etcd.txn({
      compare: [{ key, target: 'mod', value: found?.modRevision ?? '0' }],
      success: [
        isNothing ? { kind: 'delete', key } : { kind: 'put', key, value: JSON.stringify({ changes: after }) },
      ],
    });
    if (succeeded) {
      return {
        done: isNothing
          ? `${name} has the labels of its settings`
          : `${name} has, over the labels of its settings: ${wordsFor(after)}`,
        note: 'Roles that may no longer run there move to another node; node-agent status shows where.',
      };
    }
  }
  throw new AgentError({
    code: 'label.busy',
    exit: 'notDone',
    message: `the labels of ${name} were changed by somebody else during each of ${TRIES} attempts`,
    fix: 'retry',
  });
}

/** `disk=ssd gpu-`, as they are said to `node-agent label`. Pure. */
export function wordsFor(changes: LabelChanges): string {
  const words = Object.entries(changes).map(([key, value]) =>
    value === null ? `${key}-` : `${key}=${value}`,
  );
  return words.sort().join(' ');
}

function tooMany(name: string): AgentError {
  return new AgentError({
    code: 'label.most',
    exit: 'usage',
    message: `too many changed labels on ${name}: expected at most ${MOST_LABELS} of ${MOST_LABEL_BYTES} bytes together, removals included`,
    fix: `discard the earlier changes: node-agent label ${name} --reset`,
  });
}
