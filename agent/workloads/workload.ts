import type { WorkloadName } from '../config/workloads.ts';
import type { UnitSpec } from '../engine/units.ts';
import type { Paths } from '../paths.ts';
import type { VersionNeeds } from './versions.ts';

/**
 * Something that the cluster runs on one machine at a time: a role. Add one to the array in `workloads.ts`, and its
 * settings to `config/workloads.ts`: the election, the lease, the service address and the stop in time are the
 * framework's.
 */
export interface Workload {
  /** `[a-z0-9-]`, at most 32: the key in etcd, the prefix of its units, and where its settings stand. */
  readonly name: WorkloadName;
  /** 1 is 10.42.255.1: an address of the mesh that is wherever the role is. */
  readonly serviceAddress?: number;
  readonly needs?: VersionNeeds;
  /** Before the units; asked again on each start. */
  prepare?(context: RoleContext, signal: AbortSignal): Promise<void>;
  /** Started in this order, stopped in the reverse one. All of them are bound to the agent. */
  units(context: RoleContext): readonly RoleUnit[];
  /** A reason why it does not work; three in a row and the role goes to another node. */
  health(context: RoleContext): Promise<true | string>;
  /** How long a start may take before health counts; 15 s when absent. */
  readonly startMs?: number;
  /** How long an orderly stop may take; 5 s when absent. A lease that ends allows less. */
  readonly stopMs?: number;
}

/** What stands in the way of a role, for the operator. */
export interface Obstacle {
  readonly reason: string;
  /** What would end it. */
  readonly endedBy: string;
}

export type RoleUnit = Omit<UnitSpec, 'boundToAgent' | 'name'> & { readonly name: `role-${string}` };

export interface RoleContext {
  /** Create revision of the role's key: for `fencedTxn`. */
  readonly fence: string;
  readonly address: string | undefined;
  /** How this program starts itself: absolute path first. */
  readonly selfArgv: readonly [string, ...string[]];
  readonly paths: Paths;
  /**
   * JSON `{fence, endsMs}`, renewed with each beat: the role is ours until `endsMs` (ms since boot) at the
   * latest. A program that watches it ends in time even when the agent is suspended.
   */
  readonly leaseFile: string;
}
