import { ask, listen } from '../api/client.ts';
import type { Event } from '../events/event.ts';
import { processes } from '../host.ts';
import { type Context, type Options, printResult } from './context.ts';
import { printable } from './table.ts';

export interface EventsOptions extends Options {
  readonly follow?: boolean;
  readonly since?: string;
}

/** @throws AgentError when the agent does not run, or does not understand `--since` */
export async function events(context: Context, options: EventsOptions): Promise<void> {
  const query = new URLSearchParams(options.since === undefined ? {} : { since: options.since });
  if (options.follow) {
    query.set('follow', '1');
    const stop = processes.stopSignal();
    for await (const event of listen<Event>(context.paths.socket, `/v1/events?${query}`, stop)) {
      // As in `events -f | grep -m1 ready`.
      if (context.print('stdout', `${options.json ? JSON.stringify(event) : eventLine(event)}\n`) === false)
        return;
    }
    return;
  }
  const document = await ask<{ events: readonly Event[] }>(context.paths.socket, `/v1/events?${query}`);
  printResult(context, options, document, (it) => it.events.map(eventLine).join('\n') || 'no events');
}

function eventLine({ at, kind, summary }: Event): string {
  return printable(`${at}  ${kind.padEnd(18)} ${summary}`);
}
