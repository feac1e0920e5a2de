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
User=clusteros-etcd
# systemd hands it over with all that is in it, also what an older image or a restored snapshot left to root.
StateDirectory=clusteros/etcd
StateDirectoryMode=0700
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
RestrictAddressFamilies=AF_NETLINK AF_INET AF_INET6
`,
    },
    {
      path: '/usr/lib/tmpfiles.d/clusteros-etcd.conf',
      mode: 0o644,
      text: `# What the agent writes here etcd may read: files get the group of the folder.
d /run/clusteros/etcd 2750 root clusteros-etcd -
d /run/clusteros/etcd/tls 2750 root clusteros-etcd -
`,
    },
  ],
  links: [],
  // The agent decides when etcd starts, and as whose member: never the package's own unit.
  units: [{ unit: 'etcd.service', state: 'masked' }],
  users: [{ name: 'clusteros-etcd', id: 872, summary: 'Cluster-OS consensus' }],
  removes: ['/etc/systemd/system/etcd2.service'],
};
