import { AgentError, errorAsJson } from '../errors.ts';
import type { Answer, Handler, Request } from '../host/unix-socket.ts';
import { type ApiParts, ROUTES, type Route, refusal } from './routes.ts';

/** The API, or a part of it, as a function from requests to answers; it never throws. */
export function createApi(parts: ApiParts, routes: readonly Route[] = ROUTES): Handler {
  return async (request) => {
    const here = routes.filter(({ path }) => path === request.path);
    if (here.length === 0) return unknownPath(request, routes);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const route = here.find((candidate) => candidate.method === method);
    if (route === undefined)
      return wrongMethod(
        request,
        here.map((candidate) => candidate.method),
      );
    try {
      return await route.run(parts, request);
    } catch (error) {
      return failure(error);
    }
  };
}

function unknownPath({ path }: Request, routes: readonly Route[]): Answer {
  const known = [...new Set(routes.map((route) => route.path))].join(', ');
  return refusal(404, 'api.unknown-path', `there is no ${path.slice(0, 100)}; there are ${known}`);
}

function wrongMethod({ path }: Request, methods: readonly string[]): Answer {
  const allowed = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  return {
    ...refusal(405, 'api.wrong-method', `${path} takes ${allowed.join(', ')}`),
    headers: { allow: allowed.join(', ') },
  };
}

/** An administrator's error keeps its code, evidence, fix and exit code over the socket. */
function failure(error: unknown): Answer {
  if (!(error instanceof AgentError)) return { status: 500, body: { error: errorAsJson(error) } };
  const status = error.exit === 'usage' || error.exit === 'refused' ? 400 : 503;
  return { status, body: { error: { ...errorAsJson(error), exit: error.exit } } };
}
