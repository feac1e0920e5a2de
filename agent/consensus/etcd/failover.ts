import { clock } from '../../host.ts';
import { rank, shareOf } from './endpoints.ts';
import { EtcdError } from './types.ts';

/** Knows which endpoints answered lately, and asks the others when one does not. */
export interface Failover {
  /**
   * Run one call at the endpoints in turn. A write that may have been applied is never repeated.
   *
   * @throws EtcdError the most telling failure
   */
  run<T>(kind: 'read' | 'write', act: (endpoint: string, timeoutMs: number) => Promise<T>): Promise<T>;
  /** The endpoints, best first. */
  ranked(): string[];
  failed(endpoint: string): void;
  worked(endpoint: string): void;
}

/** Between two rounds over all endpoints while there is no leader. */
const ROUND_MS = 150;

export function createFailover(endpoints: () => readonly string[], callMs: () => number): Failover {
  const failures = new Map<string, number>();
  const self: Failover = {
    ranked: () => {
      const listed = endpoints();
      for (const known of [...failures.keys()]) if (!listed.includes(known)) failures.delete(known);
      return rank(listed, failures, clock.monotonicMs());
    },
    failed: (endpoint) => failures.set(endpoint, clock.monotonicMs()),
    worked: (endpoint) => failures.delete(endpoint),
    run: async (kind, act) => {
      const startMs = clock.monotonicMs();
      const timeoutMs = callMs();
      const leftMs = () => startMs + timeoutMs - clock.monotonicMs();
      let telling: EtcdError | undefined;
      for (;;) {
        const round = self.ranked();
        let electing = false;
        for (const [at, endpoint] of round.entries()) {
          const share = kind === 'read' ? shareOf(leftMs(), round.length - at) : leftMs();
          if (share <= 0) break;
          try {
            const result = await act(endpoint, share);
            self.worked(endpoint);
            return result;
          } catch (cause) {
            if (!(cause instanceof EtcdError)) throw cause;
            const mayGoOn = cause.elsewhere === 'any' || (kind === 'read' && cause.elsewhere === 'reads');
            if (cause.elsewhere !== 'none') self.failed(endpoint);
            if (!mayGoOn) throw kind === 'read' ? certain(cause) : cause;
            electing ||= cause.code === 'etcd.no-leader';
            telling = moreTelling(telling, cause);
          }
        }
        if (telling === undefined) throw nowhere();
        // An election takes a second or two; a longer one is a lost quorum, of which the caller should know.
        if (!electing || leftMs() < timeoutMs / 2) throw certain(telling);
        await clock.pause(ROUND_MS);
      }
    },
  };
  return self;
}

const TELLING = ['etcd.rejected', 'etcd.permission', 'etcd.no-leader', 'etcd.timeout', 'etcd.unreachable'];

function moreTelling(a: EtcdError | undefined, b: EtcdError): EtcdError {
  if (a === undefined) return b;
  return TELLING.indexOf(b.code) < TELLING.indexOf(a.code) ? b : a;
}

/** Nothing was written, whatever became of the attempts. */
function certain(error: EtcdError): EtcdError {
  if (!error.outcomeUnknown) return error;
  const { code, message, evidence, fix } = error;
  return new EtcdError({ code, message, evidence, fix, cause: error, elsewhere: error.elsewhere });
}

function nowhere(): EtcdError {
  return new EtcdError({
    code: 'etcd.unreachable',
    message: 'no machine with etcd is known yet',
  });
}
