import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { OperatorError } from '../build/errors.ts';
import { createLineCutter } from './socket.ts';

/** One request and its answer. @throws OperatorError `guest.refused`, `guest.silent`, `guest.unreachable` */
type Talk = (command: string, args: Readonly<Record<string, unknown>>) => Promise<unknown>;

interface Awaited {
  readonly matches: (message: GuestMessage) => boolean;
  readonly take: (message: GuestMessage) => void;
  readonly fail: (error: unknown) => void;
}

interface GuestMessage {
  readonly id?: unknown;
  readonly return?: unknown;
  readonly error?: { readonly class?: string; readonly desc?: string };
}

/** How long one try to get in step may take before the next is sent. */
const SYNC_TRY_MS = 3_000;

/**
 * The stream to the guest agent: one request at a time, in step again after whatever happened to the guest.
 *
 * The stream outlives reboots of the guest, so it can hold the end of an answer to a question that nobody
 * remembers, or a question that the next agent will read. Two rules make that harmless: after any doubt, a
 * `guest-sync-delimited` with a fresh number comes first, with the 0xFF before it that empties the agent's
 * parser; and every request has an id, which the agent repeats in its answer.
 */
export class GuestChannel {
  #socket: Socket | undefined;
  #inStep = false;
  #awaited: Awaited | undefined;
  #nextId = randomInt(1, 1_000_000_000);
  #turn: Promise<unknown> = Promise.resolve();

  attach(socket: Socket): void {
    this.#socket = socket;
    this.#inStep = false;
    const cut = createLineCutter((line) => this.#take(line));
    socket.on('data', (chunk) => {
      if (socket === this.#socket) cut(Buffer.from(chunk));
    });
    socket.on('close', () => {
      if (socket !== this.#socket) return;
      this.#socket = undefined;
      this.#awaited?.fail(failure('guest.unreachable', 'the machine ended while a command was under way'));
    });
  }

  /**
   * Do one or more requests without another caller's between them. The limit holds for getting in step and
   * for each of the requests.
   */
  exchange<T>(limitMs: number, work: (talk: Talk) => Promise<T>): Promise<T> {
    const mine = this.#turn.then(async () => {
      if (!this.#inStep) await this.#getInStep(limitMs);
      return work((command, args) => this.#request(command, args, limitMs));
    });
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #getInStep(limitMs: number): Promise<void> {
    for (let left = limitMs; left > 0; left -= SYNC_TRY_MS) {
      const id = randomInt(1, 2 ** 31);
      const text = JSON.stringify({ execute: 'guest-sync-delimited', arguments: { id } });
      const request = Buffer.concat([Buffer.of(0xff), Buffer.from(`${text}\n`)]);
      const answer = await this.#send(
        request,
        (message) => message.return === id,
        Math.min(SYNC_TRY_MS, left),
      );
      if (answer === undefined) continue;
      this.#inStep = true;
      return;
    }
    throw failure('guest.silent', `the guest agent did not answer within ${limitMs} ms`);
  }

  async #request(
    command: string,
    args: Readonly<Record<string, unknown>>,
    limitMs: number,
  ): Promise<unknown> {
    const id = this.#nextId++;
    const request = Buffer.from(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    const answer = await this.#send(request, (message) => message.id === id, limitMs);
    if (answer === undefined) {
      this.#inStep = false;
      throw failure('guest.silent', `the guest agent did not answer ${command} within ${limitMs} ms`);
    }
    if (answer.error === undefined) return answer.return;
    const { class: errorClass, desc } = answer.error;
    throw failure(
      'guest.refused',
      `the guest agent refused ${command}: ${desc ?? errorClass ?? 'no reason'}`,
    );
  }

  /** The answer, or undefined when the time was up. */
  #send(
    request: Buffer,
    matches: (message: GuestMessage) => boolean,
    limitMs: number,
  ): Promise<GuestMessage | undefined> {
    const socket = this.#socket;
    if (socket === undefined) {
      return Promise.reject(failure('guest.unreachable', 'the machine is not running'));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => finish(() => resolve(undefined)), limitMs);
      const finish = (then: () => void) => {
        clearTimeout(timer);
        this.#awaited = undefined;
        then();
      };
      this.#awaited = {
        matches,
        take: (message) => finish(() => resolve(message)),
        fail: (error) => finish(() => reject(error)),
      };
      socket.write(request);
    });
  }

  #take(line: Buffer): void {
    const message = parseGuestLine(line);
    if (message === undefined) return;
    if (this.#awaited?.matches(message)) this.#awaited.take(message);
  }
}

/** A line of the agent as a message; undefined for garbage. What stands before a 0xFF is garbage by the protocol. */
function parseGuestLine(line: Buffer): GuestMessage | undefined {
  const text = line.subarray(line.lastIndexOf(0xff) + 1).toString('utf8');
  try {
    const message: unknown = JSON.parse(text);
    return typeof message === 'object' && message !== null ? (message as GuestMessage) : undefined;
  } catch {
    return undefined;
  }
}

function failure(code: string, message: string): OperatorError {
  return new OperatorError({ code, exit: 'boot', message });
}
