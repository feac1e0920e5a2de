import type { Answer } from '../host/unix-socket.ts';
import type { Status } from '../status.ts';

/** What the API can say of the node at this moment. */
export interface Snapshot {
  readonly status: Status;
  readonly info: unknown;
}

type Route = (snapshot: Snapshot) => Answer;

/** Every path of the API; all of them are read with GET. */
const ROUTES: Readonly<Record<string, Route>> = {
  '/v1/status': ({ status }) => ({ status: 200, body: status }),
  '/v1/info': ({ info }) => ({ status: 200, body: info }),
  '/v1/health': ({ status }) => ({
    status: status.state === 'ready' ? 200 : 503,
    body: { healthy: status.state === 'ready', state: status.state },
  }),
};

/** The answer to a request. Pure. */
export function route(method: string, path: string, snapshot: Snapshot): Answer {
  const found = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
  if (found === undefined) {
    return refusal(
      404,
      'api.unknown-path',
      `there is no ${path.slice(0, 100)}; there are ${Object.keys(ROUTES).join(', ')}`,
    );
  }
  if (method !== 'GET' && method !== 'HEAD') {
    return {
      ...refusal(405, 'api.wrong-method', `${path} is read with GET`),
      headers: { allow: 'GET, HEAD' },
    };
  }
  return found(snapshot);
}

function refusal(status: number, code: string, message: string): Answer {
  return { status, body: { error: { code, message } } };
}
