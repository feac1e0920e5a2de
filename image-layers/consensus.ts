import type { Layer } from './layer.ts';
import { SANDBOX } from './sandbox.ts';

/** Raft and the cluster's state. */
export const consensus: Layer = {
  name: 'consensus',
  summary: 'etcd',
  packages: { all: ['etcd-client', 'etcd-server'] },
  files: [
    {
      path: '/etc/systemd/system/clusteros-etcd.service',
      mode: 0o644,
      text: `[Unit]
Description=Cluster-OS consensus (etcd)
Documentation=https://etcd.io/docs/ man:etcd(1)
# Started by node-agent.service as a member of its cluster, and not stopped with it.
ConditionPathExists=/run/clusteros/etcd/etcd.yaml
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/etcd --config-file=/run/clusteros/etcd/etcd.yaml
# The agent decides when it starts again, and as whose member.
Restart=no
KillMode=mixed
TimeoutStopSec=20
LimitNOFILE=65536
CPUWeight=500
IOWeight=500
OOMScoreAdjust=-800

${SANDBOX}
BindPaths=/var/lib/clusteros/etcd
BindReadOnlyPaths=/run/clusteros/etcd
PrivateDevices=yes
CapabilityBoundingSet=
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
`,
    },
  ],
  links: [],
  // The agent decides when etcd starts, and as whose member: never the package's own unit.
  units: [{ unit: 'etcd.service', state: 'masked' }],
  removes: ['/etc/systemd/system/etcd2.service'],
};
