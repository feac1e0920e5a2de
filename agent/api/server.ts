import { AgentError } from '../errors.ts';
import { files, unixSocket } from '../host.ts';
import type { Paths } from '../paths.ts';
import { route, type Snapshot } from './routes.ts';

/**
 * Serve the API on the agent's socket. The socket of a dead agent is replaced; that of a live one is not.
 *
 * @throws AgentError `agent.already-running`
 */
export async function serveApi(paths: Paths, snapshot: () => Snapshot): Promise<unixSocket.Listener> {
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
  const listener = await unixSocket.listen(paths.socket, (method, path) => route(method, path, snapshot()));
  await files.setMode(paths.socket, 0o660);
  return listener;
}
