import { AgentError } from '../errors.ts';
import { unixSocket } from '../host.ts';

/**
 * Ask the running agent.
 *
 * @param path `/v1/status`
 * @throws AgentError `agent.not-running`, `agent.forbidden`, `agent.no-answer`
 */
export async function ask<T>(socket: string, path: string): Promise<T> {
  let answer: { status: number; body: unknown };
  try {
    answer = await unixSocket.getJson(socket, path, 5_000);
  } catch (cause) {
    throw unanswered(socket, cause);
  }
  if (answer.status === 200) return answer.body as T;
  throw new AgentError({
    code: 'agent.no-answer',
    exit: 'notRunning',
    message: `the agent answered ${path} with ${answer.status}`,
    fix: 'its version may differ from this program: systemctl restart node-agent',
  });
}

function unanswered(socket: string, cause: unknown): AgentError {
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
  return new AgentError({
    code: absent ? 'agent.not-running' : 'agent.no-answer',
    exit: 'notRunning',
    message: absent ? 'the agent is not running' : `the agent does not answer on ${socket}`,
    evidence: absent ? undefined : message,
    fix: 'systemctl status node-agent; systemctl start node-agent',
    cause,
  });
}
