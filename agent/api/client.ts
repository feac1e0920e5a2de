import { AgentError, EXIT_CODES, type ExitName } from '../errors.ts';
import { unixSocket } from '../host.ts';
import { ANSWER_MS } from './last-known.ts';

/** Engines may have to be stopped. */
export const ORDER_MS = 60_000;

/**
 * Ask the running agent.
 *
 * @param path `/v1/status`
 * @param timeoutMs more on a slow machine: see `readLastKnown`
 * @throws AgentError `agent.not-running`, `agent.forbidden`, `agent.no-answer`, or what the agent said went wrong
 */
export async function ask<T>(socket: string, path: string, timeoutMs = ANSWER_MS): Promise<T> {
  return send<T>(socket, { path }, timeoutMs);
}

/**
 * Have the running agent do something.
 *
 * @throws as {@link ask}
 */
export async function order<T>(
  socket: string,
  path: string,
  body: unknown,
  timeoutMs = ORDER_MS,
): Promise<T> {
  return send<T>(socket, { method: 'POST', path, body }, timeoutMs);
}

/**
 * What the agent tells line by line, until it or the signal ends.
 *
 * @throws as {@link ask}
 */
export async function* listen<T>(
  socket: string,
  path: string,
  signal: AbortSignal,
  beginMs = ANSWER_MS,
): AsyncGenerator<T> {
  try {
    for await (const { status, body } of unixSocket.readLines(socket, path, signal, beginMs)) {
      if (status !== 200) throw said(path, status, body);
      yield body as T;
    }
  } catch (cause) {
    if (signal.aborted) return;
    throw cause instanceof AgentError ? cause : unanswered(socket, cause, beginMs);
  }
}

async function send<T>(socket: string, asked: unixSocket.Asked, timeoutMs: number): Promise<T> {
  let answer: { status: number; body: unknown };
  try {
    answer = await unixSocket.askJson(socket, asked, timeoutMs);
  } catch (cause) {
    throw unanswered(socket, cause, timeoutMs, asked.method === 'POST' ? ORDER_UNDER_WAY : undefined);
  }
  if (answer.status === 200) return answer.body as T;
  throw said(asked.path, answer.status, answer.body);
}

/** The agent's own error again, as far as the answer holds one. */
function said(path: string, status: number, body: unknown): AgentError {
  const error = (body as { error?: Record<string, unknown> } | null)?.error;
  if (typeof error?.message === 'string' && typeof error.code === 'string' && isExit(error.exit)) {
    return new AgentError({
      code: error.code,
      exit: error.exit,
      message: error.message,
      evidence: typeof error.evidence === 'string' ? error.evidence : undefined,
      fix: typeof error.fix === 'string' ? error.fix : undefined,
    });
  }
  const told = typeof error?.message === 'string' ? error.message : undefined;
  if (status === 400 && told !== undefined) {
    return new AgentError({ code: 'usage', exit: 'usage', message: told, fix: 'node-agent --help' });
  }
  if (error?.code === 'internal') {
    return new AgentError({
      code: 'agent.internal',
      exit: 'internal',
      message: `the agent failed to answer ${path}`,
      evidence: told,
      fix: 'journalctl -u node-agent tells more; please report it',
    });
  }
  if (error?.code === 'api.not-ready' && told !== undefined) {
    return new AgentError({
      code: 'agent.not-ready',
      exit: 'notDone',
      message: told,
      fix: 'node-agent status says what it waits for',
    });
  }
  return new AgentError({
    code: 'agent.no-answer',
    exit: 'notRunning',
    message: `the agent answered ${path} with ${status}`,
    evidence: told,
    fix: 'its version may differ from this program: systemctl restart node-agent',
  });
}

function isExit(value: unknown): value is ExitName {
  return typeof value === 'string' && Object.hasOwn(EXIT_CODES, value);
}

const RUNS_IT = 'systemctl status node-agent; systemctl start node-agent';
/** What was begun goes on without whoever asked for it. */
const ORDER_UNDER_WAY = 'it may still carry the order out: see node-agent status and node-agent events first';

/** @param lateFix what to do when it took the question and its time is up */
function unanswered(socket: string, cause: unknown, timeoutMs?: number, lateFix = RUNS_IT): AgentError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM') {
    return new AgentError({
      code: 'agent.forbidden',
      exit: 'storage',
      message: `you may not use ${socket}`,
      fix: 'run it as root (sudo node-agent ...)',
      cause,
    });
  }
  const absent = code === 'ENOENT' || code === 'ECONNREFUSED';
  const late = timeoutMs !== undefined && ['AbortError', 'TimeoutError'].includes((cause as Error).name);
  const within = late ? ` within ${timeoutMs / 1000} s` : '';
  return new AgentError({
    code: absent ? 'agent.not-running' : 'agent.no-answer',
    exit: 'notRunning',
    message: absent ? 'the agent is not running' : `the agent did not answer on ${socket}${within}`,
    evidence: absent || late ? undefined : message,
    fix: late ? lateFix : RUNS_IT,
    cause,
  });
}
