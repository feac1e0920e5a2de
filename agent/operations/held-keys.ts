import { AgentError } from '../errors.ts';
import { inTime, loadRetiredKeys, type RetiredKey, retire, saveRetiredKeys } from './retired-keys.ts';
import type { HeldKeys, NextKey, RotationMark } from './rotation.ts';
import { adoptNextKey, forgetNextKey, holdNextKey, loadHeldKeys, reachRotation } from './rotation-store.ts';

/** The cluster keys of this node: on the disk, and at hand for whoever needs them at once. */
export interface KeyHolder {
  /** As of the last load or change that went well; undefined while the node never held a key that can be trusted. */
  now(): HeldKeys | undefined;
  /** Keys that were replaced within the last 30 days, newest first. */
  retired(): readonly RetiredKey[];
  load(): Promise<HeldKeys | undefined>;
  holdNext(next: NextKey): Promise<void>;
  /**
   * Put the new key in the old one's place. The old one is noted first, so that a power cut at any moment
   * leaves either key in use and no sleeper shut out.
   */
  adopt(next: NextKey): Promise<void>;
  forgetNext(): Promise<void>;
  /** Note that a rotation was reached, before its key is held. */
  reach(mark: RotationMark): Promise<void>;
}

/** @param wallClock tells when a key was replaced */
export async function createKeyHolder(state: string, wallClock: () => Date): Promise<KeyHolder> {
  let held: HeldKeys | undefined;
  let retired: readonly RetiredKey[] = [];
  const load = async () => {
    try {
      // A deliberate removal (reset) creates a new holder.
      held = (await loadHeldKeys(state)) ?? held;
    } catch (error) {
      // Shown as a condition by whoever gathers the facts; the node goes on by the keys that it had.
      if (!(error instanceof AgentError)) throw error;
    }
    return held;
  };
  const loadRetired = async () => {
    try {
      retired = await loadRetiredKeys(state);
    } catch (error) {
      // Without it the node refuses sleepers, and is none the worse itself.
      if (!(error instanceof AgentError)) throw error;
    }
  };
  await load();
  await loadRetired();
  return {
    now: () => held,
    retired: () => inTime(retired, wallClock()),
    load,
    async holdNext(next) {
      await holdNextKey(state, next);
      await load();
    },
    async adopt(next) {
      const current = (held ?? (await load()))?.current;
      if (current !== undefined && !current.equals(next.key)) {
        const more = retire(retired, current, wallClock());
        await saveRetiredKeys(state, more);
        retired = more;
      }
      await adoptNextKey(state, next);
      await load();
    },
    async forgetNext() {
      await forgetNextKey(state);
      await load();
    },
    async reach(mark) {
      await reachRotation(state, mark);
      await load();
    },
  };
}
