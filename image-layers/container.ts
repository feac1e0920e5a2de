import { settingFields } from '../agent/config/settings.ts';
import type { Layer } from './layer.ts';

/** Variables that operators know from elsewhere; the agent reads them as it reads CLUSTEROS_*. */
const FAMILIAR_VARIABLES = [
  'NODE_NAME',
  'NODE_BOOTSTRAP',
  'NODE_JOIN',
  'CLUSTER_AUTH_KEY',
  'SERF_BIND_PORT',
  'RAFT_BIND_PORT',
  'WIREGUARD_PORT',
] as const;

/** Prepares the container, then becomes its argument, systemd. */
export const CONTAINER_INIT = '/usr/lib/clusteros/container-init';

/** systemd.exec(5): PassEnvironment= knows no patterns, so every setting of the agent is named. */
const VARIABLES = [
  ...FAMILIAR_VARIABLES,
  'CLUSTEROS_CLUSTER_KEY',
  'CLUSTEROS_JOIN_TOKEN',
  ...settingFields().map(({ path }) => `CLUSTEROS_${path.join('_').toUpperCase()}`),
];

/** What a container gets from its engine, and what it must not do to a machine that is not its own. */
export const container: Layer = {
  name: 'container',
  summary: 'systemd as PID 1 of a container, without kernel and boot loader',
  packages: {},
  files: [
    {
      path: '/etc/systemd/system/node-agent.service.d/50-container.conf',
      mode: 0o644,
      text: `[Service]
# From docker run --env, by way of PID 1.
${VARIABLES.map((name) => `PassEnvironment=${name}\n`).join('')}`,
    },
    // The engine mounts its own over it: it must be a plain file, and not a link into /run.
    { path: '/etc/resolv.conf', mode: 0o644, text: '' },
    {
      path: '/etc/systemd/journald.conf.d/60-container.conf',
      mode: 0o644,
      text: `[Journal]
# With a terminal (docker run --tty) docker logs shows the journal.
ForwardToConsole=yes
MaxLevelConsole=info
ReadKMsg=no
SystemMaxUse=64M
`,
    },
    {
      path: CONTAINER_INIT,
      mode: 0o755,
      text: `#!/bin/sh
# The first moment of PID 1. systemd writes to its control groups, and engines mount them read-only: they are made
# writable in this container's own namespaces. Mounting the machine's /sys/fs/cgroup in here instead would have
# systemd change the machine's mounts.
set -eu
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*/; do
case $(stat -f -c %T "$hierarchy") in cgroup*) ;; *) continue ;; esac
[ -w "$hierarchy" ] && continue
mount -o remount,bind,rw "$hierarchy" && continue
echo 'clusteros: this container may not use control groups; run it with: --cgroupns private --cap-add SYS_ADMIN --security-opt apparmor=unconfined' >&2
exit 1
done
exec "$@"
`,
    },
  ],
  links: [],
  units: [
    // Links, addresses, names and time are the engine's.
    { unit: 'systemd-networkd.service', state: 'masked' },
    { unit: 'systemd-networkd.socket', state: 'masked' },
    { unit: 'systemd-resolved.service', state: 'masked' },
    { unit: 'systemd-timesyncd.service', state: 'masked' },
    // Devices are those that the engine passes in.
    { unit: 'systemd-udevd.service', state: 'masked' },
    { unit: 'systemd-udev-trigger.service', state: 'masked' },
    { unit: 'systemd-udevd-kernel.socket', state: 'masked' },
    { unit: 'systemd-udevd-control.socket', state: 'masked' },
    { unit: 'qemu-guest-agent.service', state: 'masked' },
    // Nobody sits at a console: the engine's exec is the way in.
    { unit: 'getty.target', state: 'masked' },
    { unit: 'console-getty.service', state: 'masked' },
    { unit: 'ssh.service', state: 'masked' },
    { unit: 'ssh.socket', state: 'masked' },
    { unit: 'clusteros-ssh-host-key.service', state: 'disabled', wantedBy: 'multi-user.target' },
    // Name and seed come from the engine.
    { unit: 'clusteros-name-node.service', state: 'disabled', wantedBy: 'sysinit.target' },
    { unit: 'clusteros-seed.service', state: 'disabled', wantedBy: 'sysinit.target' },
    { unit: 'clusteros-user-data.service', state: 'disabled', wantedBy: 'sysinit.target' },
    { unit: 'cloud-init.target', state: 'masked' },
    // No disk of its own.
    { unit: 'clusteros-fresh-ids.service', state: 'disabled', wantedBy: 'multi-user.target' },
    { unit: 'systemd-repart.service', state: 'masked' },
    { unit: 'systemd-remount-fs.service', state: 'masked' },
    // They would show the whole machine.
    { unit: 'dev-hugepages.mount', state: 'masked' },
    { unit: 'sys-kernel-config.mount', state: 'masked' },
    { unit: 'sys-kernel-debug.mount', state: 'masked' },
    { unit: 'sys-kernel-tracing.mount', state: 'masked' },
    { unit: 'sys-fs-fuse-connections.mount', state: 'masked' },
  ],
  // The kernel is the machine's, and so is its boot.
  removes: [
    '/boot',
    '/initrd.img',
    '/usr/lib/firmware',
    '/usr/lib/grub',
    '/usr/lib/modules',
    '/usr/lib/shim',
    '/usr/share/grub',
    '/vmlinuz',
    // Device nodes: a rootless engine cannot unpack them, and every engine makes its own.
    '/dev/console',
    '/dev/full',
    '/dev/null',
    '/dev/ptmx',
    '/dev/random',
    '/dev/tty',
    '/dev/urandom',
    '/dev/zero',
  ],
};
