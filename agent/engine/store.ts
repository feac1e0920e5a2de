import { isDeepStrictEqual } from 'node:util';

/**
 * Named values with news of their changes: what the controllers share. A value that is written again unchanged
 * is no change, so that loops come to rest.
 */
export interface Store<R extends object> {
  get<K extends keyof R>(name: K): R[K] | undefined;
  /** @returns whether it changed */
  set<K extends keyof R>(name: K, value: R[K]): boolean;
  /** The value is no more. @returns whether there was one */
  remove(name: keyof R): boolean;
  /** Called after each change of one of the values, until the returned function is called. */
  watch(names: readonly (keyof R)[], call: () => void): () => void;
}

export function createStore<R extends object>(): Store<R> {
  const values: Partial<R> = {};
  const watchers = new Map<() => void, ReadonlySet<keyof R>>();
  const changed = (name: keyof R): true => {
    for (const [call, names] of [...watchers]) if (names.has(name)) call();
    return true;
  };
  return {
    get: (name) => values[name],
    set: (name, value) => {
      if (isDeepStrictEqual(values[name], value)) return false;
      values[name] = value;
      return changed(name);
    },
    remove: (name) => {
      if (values[name] === undefined) return false;
      delete values[name];
      return changed(name);
    },
    watch: (names, call) => {
      const own = () => call();
      watchers.set(own, new Set(names));
      return () => watchers.delete(own);
    },
  };
}
