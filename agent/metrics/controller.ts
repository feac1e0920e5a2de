import type { Controller } from '../engine/controller.ts';
import type { Page } from '../host/web.ts';
import { web } from '../host.ts';

interface MetricsDeps {
  /** Prometheus text of this moment. */
  readonly text: () => string;
  /** Another in tests. */
  readonly serve?: typeof web.listenWeb;
}

const RETRY_MS = 5_000;

/**
 * Serves the metrics on our mesh address alone, once there is one, and moves with it. Without a mesh there is
 * nobody who may read them but the operator: GET /v1/metrics on the socket.
 */
export function createMetrics({ text, serve = web.listenWeb }: MetricsDeps): Controller {
  let listening: { readonly at: string; readonly close: () => Promise<void> } | undefined;
  const close = async () => {
    const last = listening;
    listening = undefined;
    await last?.close();
  };
  return {
    name: 'metrics',
    inputs: ['facts', 'mesh'],
    outputs: [],
    reconcile: async (view) => {
      const mesh = view.get('mesh');
      const port = view.get('facts')?.settings.settings?.metrics.port;
      if (!mesh?.ready || mesh.address === undefined || port === undefined) {
        await close();
        return {};
      }
      const { address } = mesh;
      const at = `${address}:${port}`;
      if (listening?.at === at) return {};
      await close();
      try {
        listening = { at, close: (await serve(address, port, async (path) => pageOf(path, text))).close };
        return {};
      } catch (error) {
        return { conditions: [condition(at, port, error)], againMs: RETRY_MS };
      }
    },
    close,
  };
}

function pageOf(path: string, text: () => string): Page {
  const type = 'text/plain; charset=utf-8';
  if (path !== '/metrics') return { status: 404, type, body: 'there is only /metrics\n' };
  const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
  return { status: 200, type, body: text(), headers };
}

function condition(at: string, port: number, error: unknown) {
  const { code, message } = error as NodeJS.ErrnoException;
  const busy = code === 'EADDRINUSE';
  return {
    code: busy ? 'metrics.port-busy' : 'metrics.listen',
    state: 'waiting' as const,
    summary: busy ? `the port of the metrics, ${at}, is taken` : `the metrics cannot be served on ${at}`,
    evidence: message,
    endedBy: busy
      ? `stop what listens there (ss -ltnp sport = ${port}), or set metrics.port; it is tried again every ${RETRY_MS / 1000} s`
      : `it is tried again every ${RETRY_MS / 1000} s`,
  };
}
