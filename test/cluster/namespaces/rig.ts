import { mkdtempSync, rmSync } from 'node:fs';
import * as path from 'node:path';
import { type FrameFaults, NO_FAULTS, rulesFor } from './frames.ts';
import { entering, type RunOptions, runWell, startHolder } from './programs.ts';

/**
 * Not below /tmp: each host has a /tmp of its own. The agent's socket lies below, and its address has 108 bytes.
 */
const FOLDERS = '/var/tmp/cosrig.';

/** Namespaces that hold the hosts of one cluster and the switches between them. */
export interface Rig {
  /** Everything of the rig; removed by the rig's first process when the test process ends, however it ends. */
  readonly folder: string;
  /** Process id of the rig's first process. */
  readonly init: number;
  /** Run a program in the rig's network, mounts and processes; @returns its stdout. */
  run(argv: readonly string[], options?: RunOptions): Promise<string>;
  /** Commands of ip(8) in the rig's network, the rest of a line each; the first that fails ends the batch. */
  ip(lines: readonly string[]): Promise<void>;
  setFrameFaults(faults: FrameFaults): Promise<void>;
  /** Ends all hosts too. Safe to call twice. */
  dispose(): Promise<void>;
}

/**
 * @param networks names of the switches (bridges without spanning tree)
 * @param address the rig's own on the first network, such as `10.99.255.254/16`; none unless given
 * @throws Error when not run as root, or the kernel lacks a part
 */
export async function createRig(networks: readonly string[], address?: string): Promise<Rig> {
  const folder = mkdtempSync(FOLDERS);
  const removeFolder = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const spaces = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const init = path.join(import.meta.dirname, 'rig-init.sh');
  const holder = await startHolder(['unshare', ...spaces, 'bash', init, folder], 1).catch(
    (error: unknown) => {
      removeFolder();
      throw error;
    },
  );
  let disposed: Promise<void> | undefined;
  const rig: Rig = {
    folder,
    init: holder.init,
    run: (argv, options) => runWell(entering(holder.init, ['--mount', '--net', '--pid'], argv), options),
    ip: (lines) => ipBatch(holder.init, lines),
    async setFrameFaults(faults) {
      await runWell(entering(holder.init, ['--net'], ['nft', '-f', '-']), { input: rulesFor(faults) });
    },
    dispose() {
      disposed ??= (async () => {
        holder.close();
        await holder.ended;
        removeFolder();
      })();
      return disposed;
    },
  };
  try {
    await rig.ip([
      'link set lo up',
      ...networks.flatMap((name) => [
        // Snooping without a querier would hold back multicast.
        `link add ${name} type bridge stp_state 0 mcast_snooping 0`,
        `link set ${name} addrgenmode none`,
        `link set ${name} up`,
      ]),
      ...(address === undefined ? [] : [`addr add ${address} brd + dev ${networks[0]}`]),
    ]);
    await rig.setFrameFaults(NO_FAULTS);
  } catch (error) {
    await rig.dispose();
    throw error;
  }
  return rig;
}

/**
 * Only the network is entered: `netns PID` then takes process ids as the test sees them.
 *
 * @throws Error with ip's words and the lines
 */
export async function ipBatch(pid: number, lines: readonly string[]): Promise<void> {
  await runWell(entering(pid, ['--net'], ['ip', '-batch', '-']), { input: `${lines.join('\n')}\n` }).catch(
    (cause: unknown) => {
      throw new Error(`ip -batch:\n${lines.join('\n')}`, { cause });
    },
  );
}
