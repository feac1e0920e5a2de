import { AgentError } from '../errors.ts';
import { clock, files, unixSocket } from '../host.ts';
import type { Paths } from '../paths.ts';
import { createApi } from './api.ts';
import type { ApiParts, Snapshot } from './routes.ts';

/**
 * Serve the API on the agent's socket. The socket of a dead agent is replaced; that of a live one is not. Only
 * root and root's group may connect (0660), which is all the authorisation there is.
 *
 * @throws AgentError `agent.already-running`
 */
export async function serveApi(
  paths: Paths,
  snapshot: () => Snapshot,
  parts: Omit<ApiParts, 'snapshot' | 'now'> = {},
): Promise<unixSocket.Listener> {
  await files.makeFolder(paths.run, 0o755);
  if (await unixSocket.answers(paths.socket, 1_000)) {
    throw new AgentError({
      code: 'agent.already-running',
      exit: 'alreadyRunning',
      message: `another agent answers on ${paths.socket}`,
      fix: 'systemctl status node-agent',
    });
  }
  await files.remove(paths.socket);
  const api = createApi({ ...parts, snapshot, now: clock.wallClock });
  const listener = await unixSocket.listen(paths.socket, api);
  await files.setMode(paths.socket, 0o660);
  return listener;
}
