/**
 * What the live system has over the system that it installs: it is the same one below, and these files lie over it.
 * The installer comes in place of the node agent, and nothing happens that belongs to the first start of a node. An
 * empty unit file masks the unit (systemd.unit(5)).
 */
import { AGENT_PATH } from './agent.ts';
import type { LayerFile } from './layer.ts';

/** Where the start of the live system leaves what the installer wants to know: see live-boot.sh. */
const LIVE_RUN = '/run/clusteros/live';

/** What must not run from a live medium: a node, its first start, and ways in. */
const MASKED = [
  'node-agent.service',
  'cloud-init-main.service',
  'cloud-init-local.service',
  'cloud-init.service',
  'cloud-init-network.service',
  'cloud-config.service',
  'cloud-final.service',
  'clusteros-user-data.service',
  'clusteros-ssh-host-key.service',
  'clusteros-fresh-ids.service',
  'ssh.service',
  'ssh.socket',
  // The disks of the machine are none of the live system's business until one has been chosen.
  'systemd-repart.service',
  // The installer has these consoles.
  'getty@tty1.service',
  'serial-getty@.service',
] as const;

export const LIVE_FILES: readonly LayerFile[] = [
  ...MASKED.map((unit) => ({ path: `/etc/systemd/system/${unit}`, mode: 0o644, text: '' })),
  { path: '/etc/fstab', mode: 0o644, text: '' },
  { path: '/etc/hostname', mode: 0o644, text: 'clusteros-installer\n' },
  {
    path: '/etc/systemd/journald.conf.d/90-live.conf',
    mode: 0o644,
    text: '[Journal]\nStorage=volatile\n',
  },
  {
    path: '/etc/systemd/system/clusteros-installer.service',
    mode: 0o644,
    text: `[Unit]
Description=Cluster-OS installer
After=clusteros-seed.service systemd-udev-trigger.service

[Service]
# Not among the last messages of the start.
Type=idle
EnvironmentFile=${LIVE_RUN}/medium.env
# Disks behind slow controllers.
ExecStartPre=-/usr/bin/udevadm settle --timeout=30
ExecStart=${AGENT_PATH} install --consoles --medium \${MEDIUM}
Restart=on-failure
RestartSec=5
`,
  },
  {
    path: '/etc/systemd/system/multi-user.target.d/50-installer.conf',
    mode: 0o644,
    text: '[Unit]\nWants=clusteros-installer.service\n',
  },
];
