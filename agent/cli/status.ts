import { ask } from '../api/client.ts';
import { describeItem } from '../seed/report.ts';
import type { Status } from '../status.ts';
import { type Context, type Options, printResult, rows } from './context.ts';

/** @throws AgentError when the agent does not run */
export async function status(context: Context, options: Options): Promise<void> {
  printResult(context, options, await ask<Status>(context.paths.socket, '/v1/status'), renderStatus);
}

/** The text for people. Pure. */
export function renderStatus(it: Status): string {
  const key = it.cluster.keyFingerprint;
  return rows([
    ['name', it.name],
    ['id', it.id ?? 'none'],
    ['state', `${it.state} since ${it.since}`],
    ...it.conditions.flatMap((condition) => [
      ['because', `${condition.summary} (${condition.code}, since ${condition.since})`] as const,
      ...(condition.evidence?.split('\n').map((line) => ['', line] as const) ?? []),
      ['to do', condition.endedBy] as const,
    ]),
    ['cluster', it.cluster.name],
    ['key', key === undefined ? 'none' : `held, fingerprint ${key}`],
    ...it.addresses.map((entry) => ['address', `${entry.address} (${entry.interface})`] as const),
    ...it.seed.map((item) => ['seed', `${describeItem(item)} (${item.at})`] as const),
    ['agent', `${it.version}, pid ${it.pid}, since ${it.startedAt}`],
  ]);
}
