import type { Socket } from 'node:net';
import { OperatorError } from '../build/errors.ts';
import { createLineCutter } from './socket.ts';

interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface Pending {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

const COMMAND_LIMIT_MS = 60_000;

/**
 * A client of the QEMU Machine Protocol (qemu/docs/interop/qmp-spec.rst): JSON lines, a greeting, a
 * handshake, answers by id, and events at any time.
 */
export class Qmp {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  /** All events so far, for what asks late. */
  readonly events: QmpEvent[] = [];
  #nextId = 1;
  #closed = false;
  #greeted: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    const cut = createLineCutter((line) => this.#take(line.toString('utf8')));
    socket.on('data', (chunk) => cut(Buffer.from(chunk)));
    socket.on('close', () => this.#end());
    socket.on('error', () => socket.destroy());
  }

  /**
   * Take the greeting and leave the negotiation mode.
   *
   * @throws OperatorError `qmp.timeout`, `qmp.closed`
   */
  static async open(socket: Socket, limitMs = COMMAND_LIMIT_MS): Promise<Qmp> {
    const qmp = new Qmp(socket);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        socket.destroy();
        reject(failure('qmp.timeout', `QEMU did not greet within ${limitMs} ms`));
      }, limitMs);
      qmp.#greeted = () => {
        clearTimeout(timer);
        resolve();
      };
      socket.on('close', () => {
        clearTimeout(timer);
        reject(failure('qmp.closed', 'QEMU closed its control socket before it greeted'));
      });
    });
    await qmp.execute('qmp_capabilities', {}, limitMs);
    return qmp;
  }

  /**
   * @throws OperatorError `qmp.refused` with QEMU's reason, `qmp.timeout`, `qmp.closed`
   */
  execute(
    command: string,
    args: Readonly<Record<string, unknown>> = {},
    limitMs = COMMAND_LIMIT_MS,
  ): Promise<unknown> {
    if (this.#closed) return Promise.reject(failure('qmp.closed', `QEMU is gone; ${command} cannot be sent`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(failure('qmp.timeout', `QEMU did not answer ${command} within ${limitMs} ms`));
      }, limitMs);
      this.#pending.set(id, { command, resolve, reject, timer });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
  }

  /** Be told of every event from now on. Returns how to stop. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(line: string): void {
    const message = parseQmp(line);
    if (message.kind === 'greeting') this.#greeted();
    if (message.kind === 'event') {
      this.events.push(message.event);
      for (const listener of this.#listeners) listener(message.event);
    }
    if (message.kind !== 'answer') return;
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    this.#pending.delete(message.id);
    clearTimeout(pending.timer);
    if (message.error === undefined) pending.resolve(message.value);
    else pending.reject(failure('qmp.refused', `QEMU refused ${pending.command}: ${message.error}`));
  }

  #end(): void {
    this.#closed = true;
    for (const { command, reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(failure('qmp.closed', `QEMU ended before it answered ${command}`));
    }
    this.#pending.clear();
  }
}

type QmpMessage =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'event'; readonly event: QmpEvent }
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly value?: unknown;
      readonly error?: string | undefined;
    }
  | { readonly kind: 'other' };

/** Sort one line of the protocol. What is not JSON, or nothing that we know, is `other`. */
export function parseQmp(line: string): QmpMessage {
  let message: Record<string, unknown>;
  try {
    message = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { kind: 'other' };
  }
  if (typeof message !== 'object' || message === null) return { kind: 'other' };
  if ('QMP' in message) return { kind: 'greeting' };
  if (typeof message.event === 'string') {
    return {
      kind: 'event',
      event: { event: message.event, data: (message.data ?? {}) as Record<string, unknown> },
    };
  }
  if (typeof message.id !== 'number') return { kind: 'other' };
  if (message.error === undefined) return { kind: 'answer', id: message.id, value: message.return };
  const { class: errorClass, desc } = message.error as { class?: string; desc?: string };
  return { kind: 'answer', id: message.id, error: [errorClass, desc].filter(Boolean).join(': ') };
}

function failure(code: string, message: string): OperatorError {
  return new OperatorError({ code, exit: 'boot', message });
}
