import { createHash } from 'node:crypto';
import type { Claim } from './claim.ts';
import { formatIPv4, isNodeAddress, parseRange, type Range, serviceBlockStart } from './range.ts';

export { serviceAddress } from './range.ts';

/** Somebody who says that a mesh address is his. */
export interface Claimant {
  readonly id: string;
  readonly address: string;
  /** He is in a cluster already: his card carries a genesis. */
  readonly established: boolean;
}

export interface AddressInputs {
  readonly cluster: string;
  /** `10.42.0.0/16` */
  readonly range: string;
  readonly id: string;
  /** What we hold on disk. */
  readonly claim: Claim | undefined;
  /** The registry's claims: address to node id. */
  readonly registered: Readonly<Record<string, string>>;
  /** Other nodes by their cards, without evicted ones. */
  readonly others: readonly Claimant[];
  /** Undefined until consensus has said something: the claim then says what we were. */
  readonly voter: boolean | undefined;
  readonly established: boolean;
}

/** More nodes than a /24 can hold; the search ends there. */
const MOST_TRIES = 4096;

/**
 * The mesh address of this node: the one in the registry, else the one that we hold and that nobody with a better
 * right claims, else the first free one of our sequence. A voter's never changes: etcd knows it by its address. Pure.
 *
 * @returns undefined when the range is full
 */
export function chooseAddress(inputs: AddressInputs): Claim | undefined {
  const { claim, id, registered, voter = claim?.voter ?? false } = inputs;
  const range = parseRange(inputs.range);
  const established = inputs.established || (claim?.established ?? false);
  const usable = claim !== undefined && isNodeAddress(range, claim.address);
  if (usable && (voter || registered[claim.address] === id)) return { ...claim, voter, established };

  const ours = Object.keys(registered)
    .filter((address) => registered[address] === id && isNodeAddress(range, address))
    .sort();
  if (ours[0] !== undefined) {
    return { address: ours[0], counter: claim?.counter ?? 0, voter, established };
  }
  if (usable && keeps({ id, address: claim.address, established }, inputs)) {
    return { ...claim, voter, established };
  }
  const taken = new Set([...Object.keys(registered), ...inputs.others.map(({ address }) => address)]);
  const first = usable ? claim.counter + 1 : 0;
  for (let counter = first; counter < first + MOST_TRIES; counter++) {
    const address = candidate(inputs.cluster, id, counter, range);
    if (!taken.has(address)) return { address, counter, voter, established };
  }
  return undefined;
}

/** The n-th address of a node's sequence: the same on every machine. Pure. */
export function candidate(cluster: string, id: string, counter: number, range: Range): string {
  const hash = createHash('sha256').update(`clusteros/address/v1\0${cluster}\0${id}\0${counter}`).digest();
  const usable = serviceBlockStart(range) - range.first - 1;
  return formatIPv4(range.first + 1 + (hash.readUIntBE(0, 6) % usable));
}

/**
 * Who of two claimants of one address has it: whom the registry names, then who is in a cluster, then the lower
 * id. Every node that knows the same comes to the same end. Negative when `a` has the better right. Pure.
 */
export function compareClaimants(
  a: Claimant,
  b: Claimant,
  registered: Readonly<Record<string, string>>,
): number {
  const owner = registered[a.address];
  if (owner === a.id || owner === b.id) return owner === a.id ? -1 : 1;
  if (a.established !== b.established) return a.established ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

function keeps(own: Claimant, { registered, others }: AddressInputs): boolean {
  const owner = registered[own.address];
  if (owner !== undefined && owner !== own.id) return false;
  return others
    .filter(({ address, id }) => address === own.address && id !== own.id)
    .every((other) => compareClaimants(own, other, registered) < 0);
}
