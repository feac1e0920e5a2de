import * as path from 'node:path';
import { AgentError } from '../errors.ts';
import { clock, files, unixSocket } from '../host.ts';
import type { Paths } from '../paths.ts';
import { createApi } from './api.ts';
import { type ApiParts, type Snapshot, STATUS_ROUTES } from './routes.ts';

/**
 * Serve the API on the agent's socket. The socket of a dead agent is replaced; that of a live one is not. Only
 * root and root's group may connect (0660), which is all the authorisation there is. A second socket answers
 * with the state alone: it is open to all, in a folder that is root's, so that it serves whom root shows it to
 * (`BindReadOnlyPaths=` of a unit) and no user of the machine can keep the agent busy.
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
  const all: ApiParts = { ...parts, snapshot, now: clock.wallClock };
  const whole = await listenAnew(paths.socket, createApi(all), 0o660);
  try {
    await files.makeFolder(path.dirname(paths.statusSocket), 0o700);
    const state: ApiParts = { snapshot, now: clock.wallClock };
    const reading = await listenAnew(paths.statusSocket, createApi(state, STATUS_ROUTES), 0o666);
    return { close: async () => void (await Promise.all([whole.close(), reading.close()])) };
  } catch (error) {
    await whole.close();
    throw error;
  }
}

async function listenAnew(
  socket: string,
  handler: unixSocket.Handler,
  mode: number,
): Promise<unixSocket.Listener> {
  await files.remove(socket);
  const listener = await unixSocket.listen(socket, handler);
  await files.setMode(socket, mode);
  return listener;
}
