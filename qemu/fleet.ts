import * as path from 'node:path';
import { OperatorError } from '../build/errors.ts';
import type { Accelerator, FirmwareKind } from './argv.ts';
import { createMachine, type Machine } from './machine.ts';
import { createSwitch, type Switch } from './network.ts';

interface FleetOptions {
  readonly nodes: number;
  readonly image: string;
  readonly accel: Accelerator;
  readonly firmware: FirmwareKind;
  readonly memoryMiB: number;
  readonly cpus?: number | undefined;
  readonly diskBytes?: number | undefined;
  /** One seed for all. */
  readonly seed?: string | undefined;
  /** Each node's disks go into a folder of its own below this. */
  readonly folder: string;
  /** No way from the machines to the outside. */
  readonly isolated: boolean;
}

/** Nodes from one image, all on one Ethernet when they are several. Not started yet. */
export interface Fleet {
  readonly machines: readonly Machine[];
  /** Undefined for a single node. */
  readonly net: Switch | undefined;
  /** End everything that runs: by the power button first when `limitMs` is above 0 and the guest is up. */
  end(limitMs: number): Promise<void>;
}

/** Make the machines `n1`, `n2`, ... The caller must `end()` them. */
export async function createFleet(options: FleetOptions): Promise<Fleet> {
  const net = options.nodes > 1 ? await createSwitch() : undefined;
  const machines: Machine[] = [];
  const end = async (limitMs: number) => {
    await Promise.all(machines.map((machine) => endOne(machine, limitMs)));
    await net?.close();
  };
  try {
    for (let number = 1; number <= options.nodes; number++) {
      const name = `n${number}`;
      const port = await net?.plug(name);
      machines.push(
        await createMachine({
          ...options,
          name,
          folder: path.join(options.folder, name),
          network: [
            { kind: 'user', isolated: options.isolated, guestPorts: [22] },
            ...(port ? [{ kind: 'switch', socket: port.socket } as const] : []),
          ],
        }),
      );
    }
  } catch (error) {
    await end(0);
    throw error;
  }
  return { machines, net, end };
}

const ANSWER_LIMIT_MS = 3_000;

async function endOne(machine: Machine, limitMs: number): Promise<void> {
  try {
    // A guest that does not answer yet would not hear the button either.
    const listens = machine.running && limitMs > 0 && (await machine.guest.answers(ANSWER_LIMIT_MS));
    if (listens) await machine.powerdown(limitMs);
  } catch (error) {
    // A guest that does not listen is ended without it: that is what dispose() does next.
    if (!(error instanceof OperatorError)) throw error;
  } finally {
    await machine.dispose();
  }
}
