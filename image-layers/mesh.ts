import { renderSerfWrapper } from '../agent/gossip/operator.ts';
import type { Layer } from './layer.ts';
import { SANDBOX } from './sandbox.ts';

/** Gossip and the encrypted mesh. The kernel has WireGuard; wireguard-go serves where it has not. */
export const mesh: Layer = {
  name: 'mesh',
  summary: 'Serf and WireGuard, with their units',
  packages: { all: ['serf', 'wireguard-go', 'wireguard-tools'] },
  files: [
    {
      path: '/etc/systemd/system/clusteros-serf.service',
      mode: 0o644,
      text: `[Unit]
Description=Cluster-OS gossip (Serf)
Documentation=https://www.serf.io/docs/agent/options.html
# Started by node-agent.service with the cluster's key, and not stopped with it.
ConditionPathExists=/run/clusteros/serf/agent.json
StartLimitIntervalSec=0

[Service]
User=clusteros-serf
StateDirectory=clusteros/serf
StateDirectoryMode=0700
ExecStart=/usr/bin/serf agent -config-file=/run/clusteros/serf/agent.json
# The agent decides when it starts again: it may have to be another member by then.
Restart=no
# What it ends with when it is told to stop without a good-bye; the agent tells when it ends by itself.
SuccessExitStatus=1
KillMode=mixed
TimeoutStopSec=10
# As much as the agent and etcd have: a node whose gossip starves is dead to the others.
CPUWeight=500
OOMScoreAdjust=-500

${SANDBOX}
BindPaths=/var/lib/clusteros/serf
# It writes its keyring there; the folder and the other files are not its own.
BindPaths=/run/clusteros/serf
PrivateDevices=yes
CapabilityBoundingSet=
RestrictAddressFamilies=AF_NETLINK AF_INET AF_INET6
`,
    },
    {
      path: '/etc/systemd/system/clusteros-wireguard.service',
      mode: 0o644,
      text: `[Unit]
Description=Cluster-OS mesh on a kernel without WireGuard (wireguard-go)
StartLimitIntervalSec=0

[Service]
User=clusteros-wireguard
# As udev has it; an engine of containers may pass it in as its machine has it.
ExecStartPre=+-/usr/bin/chmod 0666 /dev/net/tun
ExecStart=/usr/bin/wireguard-go -f wg0
Restart=no
TimeoutStopSec=5
RuntimeDirectory=wireguard
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
OOMScoreAdjust=-500

${SANDBOX}
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
# It makes and changes the interface, as the user that it is: the one thing that it may do.
AmbientCapabilities=CAP_NET_ADMIN
CapabilityBoundingSet=CAP_NET_ADMIN
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
`,
    },
    {
      path: '/usr/lib/tmpfiles.d/clusteros-serf.conf',
      mode: 0o644,
      text: '# What the agent writes here Serf may read: files get the group of the folder.\nd /run/clusteros/serf 2750 root clusteros-serf -\n',
    },
    { path: '/usr/local/bin/serf', mode: 0o755, text: renderSerfWrapper('/run/clusteros') },
  ],
  links: [],
  // The agent starts Serf with the cluster's key; a second one without a key must never run. Likewise the rules
  // of nftables.service would take the place of ours.
  units: [
    { unit: 'serf.service', state: 'masked' },
    { unit: 'nftables.service', state: 'masked' },
  ],
  users: [
    { name: 'clusteros-serf', id: 871, summary: 'Cluster-OS gossip' },
    { name: 'clusteros-wireguard', id: 873, summary: 'Cluster-OS mesh' },
  ],
  removes: [],
};
