import type { Layer } from './layer.ts';

/** Where the build puts the agent's single file. */
export const AGENT_PATH = '/usr/local/bin/node-agent';

/** The unit of the node agent. The program itself is added by the build. */
export const agent: Layer = {
  name: 'agent',
  summary: 'the node agent',
  // The Node inside is linked with it (and with libstdc++6, which apt itself needs).
  packages: { all: ['libatomic1'] },
  files: [
    {
      path: '/etc/systemd/system/node-agent.service',
      mode: 0o644,
      text: `[Unit]
Description=Cluster-OS node agent
Documentation=man:systemd.service(5)
# Not after clusteros-seed.service: the agent takes a seed whenever it comes.
After=systemd-tmpfiles-setup.service
# A node without its agent is lost to its cluster: systemd never gives up on it.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=${AGENT_PATH} start
Restart=on-failure
RestartPreventExitStatus=2 7
RestartSec=2
KillMode=mixed
TimeoutStartSec=300
TimeoutStopSec=20
# The agent shortens it to less than a role's lease while it holds one (WATCHDOG_USEC= in sd_notify(3)): when it
# hangs, it is killed, and its roles with it, before others may take them. Otherwise it may be late: an
# overloaded machine has kept it from its processor for fifty seconds.
WatchdogSec=180
WatchdogSignal=SIGKILL
# Whatever else the machine computes, its place in the cluster comes first.
CPUWeight=500
IOWeight=500
OOMScoreAdjust=-800

# What it may touch: its state, its socket, and what the console shows.
StateDirectory=clusteros
StateDirectoryMode=0700
UMask=0077
ProtectSystem=strict
ReadWritePaths=/run/clusteros /run/issue.d /run/agetty.reload /etc/hosts
ProtectHome=yes
PrivateTmp=yes
# To see whether wireguard-go could have it.
DevicePolicy=closed
DeviceAllow=/dev/net/tun
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
# Not ProtectProc=invisible: its engines are other users, and it looks whether they live.
ProcSubset=pid
# The mesh's interface, its addresses, and the firewall; state that belongs to the users of its engines.
CapabilityBoundingSet=CAP_NET_ADMIN CAP_DAC_OVERRIDE
AmbientCapabilities=
NoNewPrivileges=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@resources @privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`,
    },
    {
      path: '/usr/lib/tmpfiles.d/clusteros.conf',
      mode: 0o644,
      text: `# Not RuntimeDirectory= of the unit: systemd would clean it up with the seed mounted inside.
d /run/clusteros 0755 root root -
d /run/issue.d 0755 root root -
f /run/agetty.reload 0600 root root -
`,
    },
  ],
  links: [],
  units: [{ unit: 'node-agent.service', state: 'enabled', wantedBy: 'multi-user.target' }],
  removes: [],
};
