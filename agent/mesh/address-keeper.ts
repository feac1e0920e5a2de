import type { FoundCondition } from '../engine/controller.ts';
import { AgentError } from '../errors.ts';
import { conditionOf } from '../status.ts';
import { type AddressInputs, chooseAddress } from './address.ts';
import { type Claim, loadClaim, saveClaim } from './claim.ts';

/** Keeps the claim to our mesh address, in memory and on disk. */
interface AddressKeeper {
  /** The claim by what is known now; undefined when the range is full. It is on disk unless a condition says so. */
  update(
    inputs: Omit<AddressInputs, 'claim'>,
  ): Promise<{ claim: Claim | undefined; conditions: FoundCondition[] }>;
}

export function addressKeeper(state: string): AddressKeeper {
  let loaded = false;
  let damage: AgentError | undefined;
  let held: Claim | undefined;
  let saved: Claim | undefined;
  return {
    async update(inputs) {
      if (!loaded) {
        try {
          saved = await loadClaim(state);
          held = saved;
        } catch (error) {
          if (!(error instanceof AgentError)) throw error;
          damage = error;
        }
        loaded = true;
      }
      if (damage !== undefined) {
        // The registry knows our address for sure; an administrator who removes the file accepts what is derived.
        const confirmed = held !== undefined && inputs.registered[held.address] === inputs.id;
        if (confirmed || (await isGone(state))) damage = undefined;
      }
      const claim = chooseAddress({ ...inputs, claim: held });
      if (claim !== undefined) held = claim;
      if (damage !== undefined) return { claim, conditions: [conditionOf(damage)] };
      if (claim === undefined || same(claim, saved)) return { claim, conditions: [] };
      try {
        await saveClaim(state, claim);
        saved = claim;
        return { claim, conditions: [] };
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        return { claim, conditions: [conditionOf(error)] };
      }
    },
  };
}

async function isGone(state: string): Promise<boolean> {
  try {
    return (await loadClaim(state)) === undefined;
  } catch {
    // Still damaged: that is what the condition says already.
    return false;
  }
}

function same(a: Claim, b: Claim | undefined): boolean {
  return (
    a.address === b?.address &&
    a.counter === b.counter &&
    a.established === b.established &&
    a.voter === b.voter
  );
}
