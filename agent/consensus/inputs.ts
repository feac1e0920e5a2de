import type { View } from '../engine/controller.ts';
import { AgentError } from '../errors.ts';
import type { Identity } from '../identity/identity.ts';
import { clusterSubkey } from '../identity/keys.ts';
import { usualTimers } from '../timers/resource.ts';
import type { MemberInputs } from './member.ts';
import type { SightInputs } from './sight.ts';

/** What consensus reads of the other resources. */
export type Inputs = Omit<MemberInputs, 'nowMs' | 'present'> &
  Pick<SightInputs, 'contacts'> & { readonly identity: Identity };

/** Undefined while the node has no identity, no key or no settings. Pure. */
export function inputsFrom(
  view: View,
  leaving: boolean,
  caKeys: ((view: View) => readonly Uint8Array[]) | undefined,
): Inputs | undefined {
  const facts = view.get('facts');
  const identity = facts?.identity;
  const settings = facts?.settings.settings;
  if (!identity || identity instanceof AgentError || settings === undefined) return undefined;
  const key = Buffer.isBuffer(facts?.key) ? facts.key : undefined;
  if (key === undefined) return undefined;
  return {
    identity,
    self: identity.id,
    settings,
    caKeys: caKeys?.(view) ?? [clusterSubkey(key, 'ca')],
    mesh: view.get('mesh'),
    timers: view.get('timers') ?? usualTimers(settings),
    gossip: view.get('gossip'),
    cards: view.get('cards') ?? [],
    contacts: view.get('contacts') ?? [],
    leaving,
  };
}

/** What is seen of others, without the time. */
export function sightInputs(
  inputs: Omit<SightInputs, 'nowMs' | 'evicted'>,
): Omit<SightInputs, 'nowMs' | 'evicted'> {
  const { self, settings, cards, contacts, gossip, mesh } = inputs;
  return { self, settings, cards, contacts, gossip, mesh };
}
