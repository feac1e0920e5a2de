import { encode } from '@msgpack/msgpack';
import { AgentError } from '../../errors.ts';
import { clock, tcp } from '../../host.ts';
import { field, numberOf, textOf } from './bodies.ts';
import { createFrameReader } from './frames.ts';

/** One connection to Serf's RPC, past handshake and authentication. */
export interface Connection {
  /**
   * Send a command and wait for its answer. Serf works on the commands of one connection one after the other:
   * a slow one (`join`) holds up those behind it.
   *
   * @param answers whether a body follows the header of a good answer
   * @returns the body as it was decoded; undefined without one
   * @throws AgentError `gossip.rpc-refused` with Serf's own words, `gossip.rpc-timeout`, `gossip.rpc-closed`
   */
  call(command: string, body: object | undefined, answers: boolean, timeoutMs: number): Promise<unknown>;
  /**
   * Like {@link call}, for `stream` and `monitor`: more bodies follow the answer until the connection ends.
   *
   * @param onRecord must not throw
   */
  subscribe(
    command: string,
    body: object,
    onRecord: (record: unknown) => void,
    timeoutMs: number,
  ): Promise<Subscription>;
  /** Aborts when the connection has ended, by whomever. */
  readonly ended: AbortSignal;
  close(): void;
}

export interface Subscription {
  /** Serf stops sending; the connection stays. */
  stop(timeoutMs: number): Promise<void>;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly authKey: string;
}

interface Waiting {
  readonly answers: boolean;
  readonly settle: (error: string, body: unknown) => void;
  readonly fail: (error: AgentError) => void;
}

/**
 * Connect, shake hands and authenticate.
 *
 * Source: cmd/serf/command/agent/ipc.go of hashicorp/serf, protocol version 1.
 *
 * @param timeoutMs for all of it
 * @throws AgentError `gossip.rpc-unreachable`, `gossip.rpc-refused`, `gossip.rpc-timeout`, `gossip.rpc-closed`
 */
export async function connect(endpoint: Endpoint, timeoutMs: number): Promise<Connection> {
  const deadline = clock.monotonicMs() + timeoutMs;
  const left = () => Math.max(1, deadline - clock.monotonicMs());
  const connection = await open(endpoint, left());
  try {
    await connection.call('handshake', { Version: 1 }, false, left());
    await connection.call('auth', { AuthKey: endpoint.authKey }, false, left());
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

async function open({ host, port }: Endpoint, timeoutMs: number): Promise<Connection> {
  const waiting = new Map<number, Waiting>();
  const streams = new Map<number, (record: unknown) => void>();
  const reader = createFrameReader();
  const end = new AbortController();
  let lastSeq = 0;
  /** The header whose body is the next value. */
  let header: { readonly seq: number } | undefined;
  let afterError = false;
  let socket: tcp.Tcp | undefined;

  const close = (reason: string, cause?: unknown) => {
    if (end.signal.aborted) return;
    end.abort();
    socket?.close();
    const error = closed(reason, cause);
    for (const { fail } of waiting.values()) fail(error);
    waiting.clear();
    streams.clear();
  };

  const take = (value: unknown) => {
    if (header !== undefined) {
      const { seq } = header;
      header = undefined;
      const caller = waiting.get(seq);
      if (caller !== undefined) caller.settle('', value);
      else streams.get(seq)?.(value);
      return;
    }
    const seq = numberOf(field(value, 'Seq'));
    const error = textOf(field(value, 'Error'), 16_384);
    if (seq === undefined || error === undefined) {
      // Some commands send their empty body after an error as well, others do not; no body looks like a header.
      if (!afterError) throw new Error('an answer without Seq and Error');
      afterError = false;
      return;
    }
    const caller = waiting.get(seq);
    afterError = error !== '';
    if (error === '' && (caller === undefined || caller.answers)) header = { seq };
    else caller?.settle(error, undefined);
  };

  socket = await tcp
    .connect(host, port, {
      timeoutMs,
      onData: (chunk) => {
        if (end.signal.aborted) return;
        try {
          for (const value of reader.push(chunk)) take(value);
        } catch (cause) {
          close("Serf's answer cannot be understood", cause);
        }
      },
      onClose: (cause) => close('Serf has closed the connection', cause),
    })
    .catch((cause: unknown) => {
      throw new AgentError({
        code: 'gossip.rpc-unreachable',
        exit: 'internal',
        message: `Serf does not take connections on ${host}:${port}`,
        evidence: cause instanceof Error ? cause.message : String(cause),
        cause,
      });
    });

  const call = (
    command: string,
    body: object | undefined,
    answers: boolean,
    limitMs: number,
    onRecord?: (record: unknown) => void,
  ) =>
    new Promise<{ seq: number; body: unknown }>((resolve, reject) => {
      if (end.signal.aborted) return reject(closed('the connection to Serf is closed'));
      lastSeq += 1;
      const seq = lastSeq;
      const timer = new AbortController();
      const done = () => {
        timer.abort();
        waiting.delete(seq);
      };
      waiting.set(seq, {
        answers,
        settle: (error, answer) => {
          done();
          if (error === '') {
            if (onRecord) streams.set(seq, onRecord);
            resolve({ seq, body: answer });
          } else reject(refused(command, error));
        },
        fail: (error) => {
          done();
          reject(error);
        },
      });
      void clock.pause(limitMs, timer.signal).then(() => {
        if (timer.signal.aborted) return;
        reject(
          new AgentError({
            code: 'gossip.rpc-timeout',
            exit: 'internal',
            message: `Serf has not answered ${command} within ${limitMs / 1000} s`,
          }),
        );
        // A late answer would be taken for a record of a stream.
        close(`Serf has not answered ${command}`);
      });
      const parts = [encode({ Command: command, Seq: seq })];
      if (body !== undefined) parts.push(encode(body));
      if (socket?.write(Buffer.concat(parts)) === false) close('Serf does not read what we send');
    });

  return {
    call: async (command, body, answers, limitMs) => (await call(command, body, answers, limitMs)).body,
    subscribe: async (command, body, onRecord, limitMs) => {
      const { seq } = await call(command, body, false, limitMs, onRecord);
      return {
        stop: async (stopMs) => {
          await call('stop', { Stop: seq }, false, stopMs);
          // What was on its way is dropped by `take`, since the stream stays known.
          streams.set(seq, () => {});
        },
      };
    },
    ended: end.signal,
    close: () => close('we have closed the connection to Serf'),
  };
}

function closed(message: string, cause?: unknown): AgentError {
  return new AgentError({ code: 'gossip.rpc-closed', exit: 'internal', message, cause });
}

function refused(command: string, evidence: string): AgentError {
  return new AgentError({
    code: 'gossip.rpc-refused',
    exit: 'internal',
    message: `Serf refused ${command}`,
    evidence: evidence.trim(),
  });
}
