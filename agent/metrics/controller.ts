import type { Controller } from '../engine/controller.ts';
import { metricsHttp } from '../host.ts';

export interface MetricsDeps {
  /** Prometheus text of this moment. */
  readonly text: () => string;
  /** Another in tests. */
  readonly serve?: typeof metricsHttp.serveText;
}

const RETRY_MS = 5_000;

/**
 * Serves the metrics on our mesh address alone, once there is one, and moves with it. Without a mesh there is
 * nobody who may read them but the operator: GET /v1/metrics on the socket.
 */
export function createMetrics({ text, serve = metricsHttp.serveText }: MetricsDeps): Controller {
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
        listening = { at, close: (await serve(address, port, text)).close };
        return {};
      } catch (error) {
        return { conditions: [condition(at, port, error)], againMs: RETRY_MS };
      }
    },
    close,
  };
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
