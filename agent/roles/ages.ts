import type { RoleState } from '../engine/resources.ts';

/**
 * Remembers since when each role is what it is here, and for the same reason. What counts down in the text of its end
 * is no change.
 *
 * @returns the states with their times; `nowMs` is monotonic
 */
export function createAges(): (states: readonly RoleState[], nowMs: number) => readonly RoleState[] {
  let known = new Map<
    string,
    { readonly state: string; readonly reason: string; readonly sinceMs: number }
  >();
  return (states, nowMs) => {
    const next = states.map(({ role, state, reason = '' }) => {
      const before = known.get(role);
      const same = before?.state === state && before.reason === reason;
      return [role, { state, reason, sinceMs: same ? before.sinceMs : nowMs }] as const;
    });
    known = new Map(next);
    return states.map((state) => ({ ...state, sinceMs: known.get(state.role)?.sinceMs }));
  };
}
