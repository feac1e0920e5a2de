/**
 * Moves the seed to the installed system, before its disk becomes bootable: what the agent takes goes through the
 * agent's own judgement into its state folder, what cloud-init reads into a seed folder beside it.
 */
import * as path from 'node:path';
import { AgentError } from '../errors.ts';
import { clock, files, programs } from '../host.ts';
import { holdKey, loadKey } from '../identity/key-store.ts';
import { prepareState } from '../identity/store.ts';
import type { Paths } from '../paths.ts';
import { judgeOffers } from '../seed/judge.ts';
import { collectOffers, readCloudFiles } from '../seed/offers.ts';
import { updateReport } from '../seed/report.ts';
import { holdSettings, saveReport } from '../seed/store.ts';
import { holdToken } from '../seed/token-file.ts';
import { IMAGE_IDS_MARK } from './fresh-ids.ts';
import type { Partition } from './gpt.ts';

/** In the installed system; `mount-seed` puts it where cloud-init looks when there is no CIDATA volume. */
export const SEED_PLACE = 'seed';

export interface Moved {
  /** Names of what the installed system has now. */
  readonly taken: readonly string[];
  /** `node.yaml: ...` for what was not taken, or only in part. */
  readonly refused: readonly string[];
}

/**
 * @param disk that the caller holds open, so that its name leads to no other; what was written to it is flushed
 * @param report for `install.json` of the installed system
 */
export async function moveSeedTo(
  disk: string,
  root: Partition,
  paths: Paths,
  report: string,
): Promise<Moved> {
  const mountpoint = path.join(paths.run, 'target');
  await files.makeFolder(mountpoint, 0o700);
  const options = `loop,offset=${root.offset},sizelimit=${root.length},nosuid,nodev,noexec`;
  await programs.runOk(['mount', '-t', 'ext4', '-o', options, disk, mountpoint], { timeoutMs: 120_000 });
  let moved: Moved;
  try {
    const state = path.join(mountpoint, 'var/lib/clusteros');
    moved = await moveSeed(paths, state);
    await files.writeDurable(path.join(state, 'install.json'), report, 0o600);
    await files.remove(path.join(mountpoint, IMAGE_IDS_MARK));
  } finally {
    await programs.runOk(['umount', mountpoint], { timeoutMs: 600_000 });
  }
  return moved;
}

/** @param state the state folder of the installed system; running it again gives the same */
export async function moveSeed(paths: Paths, state: string): Promise<Moved> {
  await files.makeFolder(path.dirname(state), 0o755);
  await prepareState(state);
  const offers = await collectOffers(paths, {});
  const { decisions, held } = judgeOffers({ key: undefined, settings: undefined }, offers);
  if (held.key !== undefined && !(await holdKey(state, held.key)).equals(held.key)) throw otherKey(state);
  if (held.settings !== undefined) await holdSettings(state, held.settings);
  if (held.token !== undefined) await holdToken(state, held.token);
  await saveReport(state, [], updateReport([], decisions, clock.wallClock()));
  const copied: string[] = [];
  for (const { name, bytes } of await readCloudFiles(paths)) {
    await files.makeFolder(path.join(state, SEED_PLACE), 0o700);
    await files.writeDurable(path.join(state, SEED_PLACE, name), bytes, 0o600);
    copied.push(name);
  }
  if (held.key !== undefined && (await loadKey(state)) === undefined) throw otherKey(state);
  return {
    taken: [...decisions.filter(({ outcome }) => outcome === 'taken').map(({ item }) => item), ...copied],
    refused: decisions
      .filter(({ outcome }) => outcome !== 'taken')
      .map(({ item, reason }) => `${item}: ${reason}`),
  };
}

function otherKey(state: string): AgentError {
  return new AgentError({ code: 'install.seed', exit: 'refused', message: `another key is in ${state}` });
}
