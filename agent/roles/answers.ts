import type { EtcdClient } from '../consensus/etcd/types.ts';
import { KEYS } from '../registry/keys.ts';
import { WORDS_LIMIT } from '../registry/records.ts';
import type { Move } from '../registry/registry.ts';
import { settled, type Time } from './deadline.ts';

interface AnswersDeps {
  readonly client: Pick<EtcdClient, 'txn'>;
  readonly time: Time;
  /** An answer was not written: decide again. */
  readonly failed: () => void;
}

const AGAIN_MS = 1_000;

/** What this node says to operators who want a role here: once for each wish, again only when etcd did not take it. */
export function createAnswers({ client, time, failed }: AnswersDeps) {
  /** Fence of the wish that was answered last, by role. */
  const answered = new Map<string, string>();
  return (role: string, move: Move | undefined, said: Move['answer']): void => {
    if (move === undefined || said === undefined || answered.get(role) === move.fence) return;
    const { to, lease, fence } = move;
    answered.set(role, fence);
    const key = KEYS.move(role);
    const value = JSON.stringify({ to, answer: short(said) });
    const wish = { key, target: 'create', value: fence } as const;
    void settled(client.txn({ compare: [wish], success: [{ kind: 'put', key, value, lease }] })).then(
      async (written) => {
        if (written) return;
        await time.pause(AGAIN_MS);
        if (answered.get(role) === fence) answered.delete(role);
        failed();
      },
    );
  };
}

/** What is longer than the registry takes would be no answer. */
function short(said: NonNullable<Move['answer']>): NonNullable<Move['answer']> {
  return said === 'ready' ? said : { reason: cut(said.reason), endedBy: cut(said.endedBy) };
}

function cut(text: string): string {
  return text.length > WORDS_LIMIT ? `${text.slice(0, WORDS_LIMIT - 3)}...` : text;
}
