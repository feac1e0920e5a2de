import * as z from 'zod';
import type { Page } from '../../host/web.ts';
import { boottime, clock, files, unixSocket, web } from '../../host.ts';
import { stepOf } from '../../timers/steps.ts';
import { pageDocument } from './document.ts';
import { renderPage } from './render.ts';

interface PageOptions {
  /** The service address. */
  readonly address: string;
  readonly port: number;
  /** A socket of the agent's that tells its state. */
  readonly socket: string;
  /** See `RoleContext.leaseFile`. */
  readonly leaseFile: string;
}

/** The status is asked for at most this often, however many look. */
const FRESH_MS = 1_000;
/** As long as an agent on the slowest machines may take. */
const ASK_MS = stepOf('slowest').answerMs;
const WATCH_MS = 200;
const LEASE_LIMIT = 1_024;

const leaseDocument = z.object({ endsMs: z.number() });

/**
 * `node-agent page`: serve the status page until the signal, or until the lease of the role is over. It looks at
 * the lease by itself, so that it ends in time even while the agent is suspended.
 *
 * @throws the system's error when the address cannot be bound
 * @returns why it ended
 */
export async function servePage(options: PageOptions, stop: AbortSignal): Promise<'stopped' | 'lease'> {
  const answer = createAnswer(options.socket);
  if (!(await leaseHolds(options.leaseFile))) return 'lease';
  const listener = await web.listenWeb(options.address, options.port, answer);
  try {
    while (!stop.aborted) {
      if (!(await leaseHolds(options.leaseFile))) return 'lease';
      await clock.pause(WATCH_MS, stop);
    }
    return 'stopped';
  } finally {
    await listener.close();
  }
}

async function leaseHolds(file: string): Promise<boolean> {
  try {
    const found = await files.readLimited(file, LEASE_LIMIT);
    const lease = leaseDocument.safeParse(JSON.parse(found?.bytes.toString('utf8') ?? 'null'));
    return lease.success && boottime.sinceBootMs() < lease.data.endsMs;
  } catch {
    return false;
  }
}

/** The pages. One question to the agent at a time, its answer kept for a second. */
export function createAnswer(socket: string): (path: string) => Promise<Page> {
  let kept: { readonly page: Promise<Page>; readonly atMs: number } | undefined;
  return async (path) => {
    if (path === '/healthz') return web.plain(200, 'ok\n');
    if (path !== '/') return web.plain(404, 'there is only / and /healthz\n');
    const nowMs = clock.monotonicMs();
    if (kept === undefined || nowMs - kept.atMs > FRESH_MS) kept = { page: makePage(socket), atMs: nowMs };
    return kept.page;
  };
}

async function makePage(socket: string): Promise<Page> {
  try {
    const { body } = await unixSocket.askJson(socket, { path: '/v1/status' }, ASK_MS);
    const document = pageDocument.safeParse(body);
    if (!document.success)
      return web.plain(502, 'the agent gave an answer that this page does not understand\n');
    return {
      status: 200,
      type: 'text/html; charset=utf-8',
      body: renderPage(document.data, clock.wallClock()),
    };
  } catch {
    return web.plain(503, 'the agent of this node does not answer\n');
  }
}
