import type { Controller } from '../engine/controller.ts';
import type { Units } from '../engine/units.ts';
import type { Paths } from '../paths.ts';
import { meshController } from './controller.ts';
import { namesController, writeHosts } from './hosts-file.ts';
import { look } from './interface.ts';
import { firewallController, removeFirewall } from './nftables.ts';
import { createWireguard, type Wireguard } from './wireguard.ts';

export interface MeshDomain {
  /** `mesh`, `names`, `firewall`. */
  readonly controllers: readonly Controller[];
  /**
   * Give this node a service address that moves with a role, at once, until then (ms since boot), or for longer than
   * before. The kernel itself takes it away when the time is over.
   *
   * @throws AgentError `mesh.not-ready`, `mesh.permission`, `mesh.interface`
   */
  holdAddress(address: string, untilMs: number): Promise<void>;
  /** Take it away again; not having it is fine. @throws AgentError */
  releaseAddress(address: string): Promise<void>;
  /**
   * The service addresses that the interface has, also those from before this process.
   *
   * @param name of the interface, where no controller has run in this process; wg0 when absent
   */
  listHeld(name?: string): Promise<readonly string[]>;
  /**
   * Remove interface, wireguard-go, names and firewall, for a node that leaves or is reset; to be called when the
   * controllers have ended.
   *
   * @param name of the interface, where no controller has run in this process; wg0 when absent
   * @throws AggregateError after everything was tried
   */
  tearDown(name?: string): Promise<void>;
}

/** The encrypted network of the nodes: interface, names, firewall. */
export function createMesh({ paths, units }: { paths: Paths; units: Units }): MeshDomain {
  let current: { name: string; speaker: Wireguard } | undefined;
  const speakerFor = (name: string): Wireguard => {
    if (current?.name !== name) current = { name, speaker: createWireguard(paths.run, name, units) };
    return current.speaker;
  };
  const speaker = (name = 'wg0') => current?.speaker ?? speakerFor(name);
  return {
    controllers: [
      meshController(paths.state, speakerFor),
      namesController(paths.hosts),
      firewallController(),
    ],
    holdAddress: (address, untilMs) => speaker().holdAddress(address, untilMs),
    releaseAddress: (address) => speaker().releaseAddress(address),
    async listHeld(name = 'wg0') {
      const found = await look(current?.name ?? name);
      return (found?.addresses ?? []).filter((it) => it.endsWith('/32')).map((it) => it.slice(0, -3));
    },
    async tearDown(name) {
      const results = await Promise.allSettled([
        speaker(name).tearDown(),
        writeHosts(paths.hosts, []),
        removeFirewall(),
      ]);
      const failures = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason);
      if (failures.length > 0) throw new AggregateError(failures, 'the mesh could not be removed wholly');
    },
  };
}
