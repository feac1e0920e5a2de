import { listen } from '../api/client.ts';
import { readLastKnown } from '../api/last-known.ts';
import { AgentError } from '../errors.ts';
import type { Event } from '../events/event.ts';
import { clock, processes } from '../host.ts';
import { askAgent, type Context, type Options, printResult } from './context.ts';
import { printable } from './table.ts';

interface EventsOptions extends Options {
  readonly follow?: boolean;
  readonly since?: string;
}

/** With `--follow` it waits for an agent that ends and comes back. */
const AGAIN_MS = 1_000;

/** @throws AgentError when the agent does not run at first, or does not understand `--since` */
export async function events(context: Context, options: EventsOptions): Promise<void> {
  if (options.follow) return await follow(context, options);
  const query = new URLSearchParams(options.since === undefined ? {} : { since: options.since });
  const document = await askAgent<{ events: readonly Event[] }>(context, `/v1/events?${query}`);
  printResult(context, options, document, (it) => it.events.map(eventLine).join('\n') || 'no events');
}

async function follow({ paths, print }: Context, { json, since }: EventsOptions): Promise<void> {
  const stop = processes.stopSignal();
  let from = since;
  let heard = false;
  let told = false;
  while (!stop.aborted) {
    const known = await readLastKnown(paths);
    const query = new URLSearchParams({ ...(from === undefined ? {} : { since: from }), follow: '1' });
    try {
      for await (const event of listen<Event>(paths.socket, `/v1/events?${query}`, stop, known?.answerMs)) {
        [from, heard, told] = [`seq:${event.seq}`, true, false];
        // As in `events -f | grep -m1 ready`.
        if (print('stdout', `${json ? JSON.stringify(event) : eventLine(event)}\n`) === false) return;
      }
    } catch (error) {
      if (!heard || !(error instanceof AgentError) || error.exit !== 'notRunning') throw error;
    }
    if (stop.aborted) return;
    if (!told) print('stderr', 'the agent has ended; what happens is shown again when it is back\n');
    told = true;
    await clock.pause(AGAIN_MS, stop);
  }
}

function eventLine({ at, kind, summary }: Event): string {
  return printable(`${at}  ${kind.padEnd(18)} ${summary}`);
}
