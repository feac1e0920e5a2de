import type { Layer } from './layer.ts';

/** Where the build puts the agent's single file. */
export const AGENT_PATH = '/usr/local/bin/node-agent';

/** The unit of the node agent. The program itself is added by the build. */
export const agent: Layer = {
  name: 'agent',
  summary: 'the node agent',
  packages: {},
  files: [
    {
      path: '/etc/systemd/system/node-agent.service',
      mode: 0o644,
      text: `[Unit]
Description=Cluster-OS node agent
Documentation=https://clusteros.invalid/docs
After=clusteros-seed.service
Wants=clusteros-seed.service

[Service]
Type=notify
NotifyAccess=all
ExecStart=${AGENT_PATH} start
Restart=always
RestartSec=2
TimeoutStartSec=180
TimeoutStopSec=20
WatchdogSec=60
StateDirectory=clusteros
StateDirectoryMode=0700
RuntimeDirectory=clusteros
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
UMask=0077

[Install]
WantedBy=multi-user.target
`,
    },
  ],
  links: [],
  units: [{ unit: 'node-agent.service', state: 'enabled', wantedBy: 'multi-user.target' }],
  removes: [],
};
