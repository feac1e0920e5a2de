import type { Layer } from './layer.ts';

/** Gossip and the encrypted mesh. The kernel has WireGuard; wireguard-go serves where it has not. */
export const mesh: Layer = {
  name: 'mesh',
  summary: 'Serf and WireGuard',
  packages: { all: ['serf', 'wireguard-go', 'wireguard-tools'] },
  files: [],
  links: [],
  // The agent starts Serf with the cluster's key; a second one without a key must never run.
  units: [{ unit: 'serf.service', state: 'masked' }],
  removes: [],
};
