import type { Layer } from './layer.ts';

/** Raft and the cluster's state. */
export const consensus: Layer = {
  name: 'consensus',
  summary: 'etcd',
  packages: { all: ['etcd-client', 'etcd-server'] },
  files: [],
  links: [],
  // The agent decides when etcd starts, and as whose member: never the package's own unit.
  units: [{ unit: 'etcd.service', state: 'masked' }],
  removes: ['/etc/systemd/system/etcd2.service'],
};
