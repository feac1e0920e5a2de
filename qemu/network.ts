import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { files } from '../build/host.ts';
import { addressesOf, createFrameCutter, withLength } from './frames.ts';
import { listenAt, type Rendezvous } from './socket.ts';

/**
 * An Ethernet switch for machines, in this process: it needs no bridge, no multicast and no rights, and a test
 * can pull any cable. Machines connect over Unix sockets (QEMU's `-netdev stream`, from 7.2 on), and find their
 * port again when they are started again.
 */
export interface Switch {
  /** A new port. Give `socket` to a machine; `name` is for {@link setLink}. */
  plug(name: string): Promise<{ readonly socket: string }>;
  /** Cut the path between two ports, or mend it. Both ways, unless `oneWay` has only `one` unheard by `other`. */
  setLink(one: string, other: string, up: boolean, options?: { readonly oneWay?: boolean }): void;
  /** Every path of one port: its cable. */
  setCable(name: string, up: boolean): void;
  readonly counters: { forwarded: number; dropped: number };
  close(): Promise<void>;
}

/** A port that cannot keep up loses frames, as real ones do; TCP above it copes. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;

export async function createSwitch(): Promise<Switch> {
  const folder = await files.makeWorkFolder(tmpdir(), 'cosnet');
  const meetings: Rendezvous[] = [];
  const ports = new Map<string, Socket | undefined>();
  const learned = new Map<string, string>();
  const down = new Set<string>();
  const cablesOut = new Set<string>();
  const counters = { forwarded: 0, dropped: 0 };
  let closed = false;

  const send = (from: string, to: string, frame: Buffer) => {
    const socket = ports.get(to);
    const cut = cablesOut.has(from) || cablesOut.has(to) || down.has(`${from}>${to}`);
    if (cut || socket === undefined || socket.writableLength > MOST_WAITING_BYTES) {
      counters.dropped += 1;
      return;
    }
    counters.forwarded += 1;
    socket.write(withLength(frame));
  };

  const forward = (port: string, frame: Buffer) => {
    const addresses = addressesOf(frame);
    if (addresses === undefined) return;
    if (!cablesOut.has(port)) learned.set(addresses.from, port);
    const known = addresses.toMany ? undefined : learned.get(addresses.to);
    const targets = known === undefined ? [...ports.keys()] : [known];
    for (const target of targets) if (target !== port) send(port, target, frame);
  };

  const serve = async (name: string, meeting: Rendezvous) => {
    while (!closed) {
      const socket = await meeting.next();
      ports.set(name, socket);
      const cut = createFrameCutter((frame) => forward(name, frame));
      socket.on('data', (chunk) => {
        try {
          cut(Buffer.from(chunk));
        } catch (error) {
          socket.destroy(error as Error);
        }
      });
      socket.on('close', () => {
        if (ports.get(name) === socket) ports.set(name, undefined);
      });
    }
  };

  return {
    counters,
    plug: async (name) => {
      if (ports.has(name)) throw new Error(`the switch has a port ${name} already`);
      ports.set(name, undefined);
      const meeting = await listenAt(path.join(folder, `port${meetings.length}`));
      meetings.push(meeting);
      void serve(name, meeting);
      return { socket: meeting.path };
    },
    setLink: (one, other, up, options) => {
      for (const way of options?.oneWay ? [`${one}>${other}`] : [`${one}>${other}`, `${other}>${one}`]) {
        if (up) down.delete(way);
        else down.add(way);
      }
    },
    setCable: (name, up) => {
      if (up) cablesOut.delete(name);
      else cablesOut.add(name);
    },
    close: async () => {
      closed = true;
      await Promise.all(meetings.map((meeting) => meeting.close()));
      await files.remove(folder);
    },
  };
}
