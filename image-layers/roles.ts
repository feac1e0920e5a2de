import { AGENT_PATH } from './agent.ts';
import type { Layer } from './layer.ts';
import { SANDBOX } from './sandbox.ts';

/** What moves from node to node with its lease. None of it outlives the agent that holds the lease. */
export const roles: Layer = {
  name: 'roles',
  summary: 'the status page on the service address',
  packages: {},
  files: [
    {
      path: '/etc/systemd/system/clusteros-role-page.service',
      mode: 0o644,
      text: `[Unit]
Description=Cluster-OS status page
# The lease is the agent's: without it the role ends, at once.
BindsTo=node-agent.service
After=node-agent.service
StartLimitIntervalSec=0

[Service]
# Which address, and until when: written by the agent before it starts the unit.
EnvironmentFile=/run/clusteros/units/role-page.env
ExecStart=${AGENT_PATH} $ARGUMENTS
Restart=no
KillMode=mixed
TimeoutStopSec=2
# As much as the agent has: a role that starves goes from node to node.
CPUWeight=500

# It speaks to everybody on the mesh, so it is nobody: a user that exists while it runs, who may take port 80, and
# of the agent's sees the leases and the socket that only tells the state.
DynamicUser=yes
${SANDBOX.replace('MemoryDenyWriteExecute=yes\n', '')}
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
BindReadOnlyPaths=/run/clusteros/roles /run/clusteros/readonly/status.sock
PrivateDevices=yes
ProcSubset=pid
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET
`,
    },
  ],
  links: [],
  units: [],
  removes: [],
};
