import { DEFAULT_SETTINGS } from '../config/settings.ts';
import type { Controller } from '../engine/controller.ts';
import type { Units } from '../engine/units.ts';
import type { Paths } from '../paths.ts';
import { meshController } from './controller.ts';
import { namesController, writeHosts } from './hosts-file.ts';
import { look } from './interface.ts';
import { madeInterface } from './made-interface.ts';
import { firewallController, removeFirewall } from './nftables.ts';
import { createWireguard, type Wireguard } from './wireguard.ts';

interface MeshDomain {
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
  /** The service addresses that the interface has, also those from before this process. */
  listHeld(): Promise<readonly string[]>;
  /**
   * Remove interface, wireguard-go, names and firewall, for a node that leaves or is reset; to be called when the
   * controllers have ended. It removes what an earlier process made, too.
   *
   * @throws AggregateError after everything was tried
   */
  tearDown(): Promise<void>;
}

/** The encrypted network of the nodes: interface, names, firewall. */
export function createMesh({ paths, units }: { paths: Paths; units: Units }): MeshDomain {
  let current: { name: string; speaker: Wireguard } | undefined;
  const speakerFor = (name: string): Wireguard => {
    if (current?.name !== name) current = { name, speaker: createWireguard(paths.run, name, units) };
    return current.speaker;
  };
  const made = madeInterface(paths.run);
  /** For the interface that there is: this process may have made none yet. */
  const speaker = async () =>
    current?.speaker ?? speakerFor((await made.read()) ?? DEFAULT_SETTINGS.mesh.interface);
  return {
    controllers: [
      meshController(paths.state, speakerFor),
      namesController(paths.hosts),
      firewallController(),
    ],
    holdAddress: async (address, untilMs) => (await speaker()).holdAddress(address, untilMs),
    releaseAddress: async (address) => (await speaker()).releaseAddress(address),
    async listHeld() {
      const name = await made.read();
      const found = name === undefined ? undefined : await look(name);
      return (found?.addresses ?? []).filter((it) => it.endsWith('/32')).map((it) => it.slice(0, -3));
    },
    async tearDown() {
      const results = await Promise.allSettled([
        speaker().then((it) => it.tearDown()),
        writeHosts(paths.hosts, []),
        removeFirewall(),
      ]);
      const failures = results.filter((result) => result.status === 'rejected').map(({ reason }) => reason);
      if (failures.length > 0) throw new AggregateError(failures, 'the mesh could not be removed wholly');
    },
  };
}
