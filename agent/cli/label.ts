import type { MemberView } from '../api/view.ts';
import { type LabelChanges, labelChangesSchema } from '../config/labels.ts';
import { AgentError } from '../errors.ts';
import { findMember } from '../operations/find-node.ts';
import { wordsFor } from '../operations/label.ts';
import { askAgent, type Context, type Options, printResult } from './context.ts';
import { send } from './orders.ts';

interface LabelOptions extends Options {
  readonly reset?: boolean;
}

/** @throws AgentError `label.wrong`, and what the agent refuses */
export async function label(
  context: Context,
  options: LabelOptions,
  [node = '', ...words]: readonly string[],
): Promise<void> {
  const { members } = await askAgent<{ members: readonly MemberView[] }>(context, '/v1/members');
  const { id, name, labels } = findMember(members, node);
  if (words.length === 0 && !options.reset) {
    printResult(context, options, { id, name, labels }, (it) =>
      Object.keys(it.labels).length === 0 ? `${it.name} has no labels` : wordsFor(it.labels),
    );
    return;
  }
  const reset = options.reset ? { reset: true } : {};
  await send(context, options, '/v1/labels', { node: id, changes: changesIn(words), ...reset });
}

function changesIn(words: readonly string[]): LabelChanges {
  const changes: Record<string, string | null> = {};
  for (const word of words) {
    const at = word.indexOf('=');
    const isGone = at < 0 && word.endsWith('-');
    const [key, value] = isGone
      ? [word.slice(0, -1), null]
      : [word.slice(0, Math.max(0, at)), word.slice(at + 1)];
    const read = labelChangesSchema.safeParse({ [key]: value });
    // What JavaScript takes for more than a key is passed over by the schema.
    if (!read.success || Object.keys(read.data).length === 0) throw wrong(word);
    changes[key] = value;
  }
  return changes;
}

function wrong(word: string): AgentError {
  return new AgentError({
    code: 'label.wrong',
    exit: 'usage',
    message: `invalid label change: ${JSON.stringify(word.slice(0, 80))}`,
    fix: 'KEY=VALUE sets a label, KEY- removes it: lower-case letters, digits and inner . _ - in the key, at most 63 each',
  });
}
