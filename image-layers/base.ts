import { CLOUD_CONFIG, CLOUD_SEED_LINK } from '../firstboot/cloud-config.ts';
import { FIRST_BOOT_FILES } from './first-boot.ts';
import { FRESH_ID_FILES } from './fresh-ids.ts';
import type { Layer } from './layer.ts';
import { USER_DATA_FILES } from './user-data.ts';

const SYSCTL = `# Everybody may ping, on every base: Debian 13 leaves it to a package that is only recommended.
net.ipv4.ping_group_range = 0 2147483647
# A node knows each other node as a neighbour: hundreds, and its containers besides (arp(7); 1024 is the default).
net.ipv4.neigh.default.gc_thresh1 = 1024
net.ipv4.neigh.default.gc_thresh2 = 4096
net.ipv4.neigh.default.gc_thresh3 = 8192
`;

/** What any node is: a kernel, a boot chain, a network, a clock, remote access, and growth on first boot. */
export const base: Layer = {
  name: 'base',
  summary: 'kernel, boot chain, network, clock, SSH and first boot',
  packages: {
    all: [
      'ca-certificates',
      'cloud-init',
      'dbus',
      'e2fsprogs',
      'grub-common',
      'grub-efi-amd64-signed',
      'grub-pc-bin',
      'initramfs-tools',
      'iproute2',
      'iputils-ping',
      'kmod',
      'less',
      'libnss-myhostname',
      'libnss-resolve',
      'mokutil',
      'netbase',
      'nftables',
      'openssh-server',
      'procps',
      'qemu-guest-agent',
      'shim-signed',
      'sudo',
      'systemd-resolved',
      'systemd-sysv',
      'systemd-timesyncd',
      'tzdata',
      'udev',
      'zstd',
    ],
    'debian-13': ['linux-image-amd64', 'systemd-repart'],
    'debian-12': ['linux-image-amd64'],
    // The same kernel as linux-image-generic, without its dependency on all firmware: the layer hardware has that.
    'ubuntu-24.04': ['linux-image-virtual'],
    'ubuntu-26.04': ['linux-image-virtual', 'systemd-repart'],
  },
  files: [
    { path: '/etc/cloud/cloud.cfg.d/90-clusteros.cfg', mode: 0o644, text: CLOUD_CONFIG },
    {
      path: '/etc/hosts',
      mode: 0o644,
      text: '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n',
    },
    // An empty file and not a missing one: systemd then makes an id, but does not ask the console for a locale.
    { path: '/etc/machine-id', mode: 0o444, text: '' },
    { path: '/etc/default/locale', mode: 0o644, text: 'LANG=C.UTF-8\n' },
    {
      path: '/etc/systemd/network/80-clusteros-ethernet.network',
      mode: 0o644,
      text: `# Every wired interface asks for an address. A seed's network-config comes first (10-cloud-init-*).
[Match]
Type=ether
Kind=!*

[Network]
DHCP=yes
IPv6AcceptRA=yes
LinkLocalAddressing=yes
`,
    },
    {
      path: '/etc/systemd/journald.conf.d/50-clusteros.conf',
      mode: 0o644,
      text: '[Journal]\nStorage=persistent\nSystemMaxUse=256M\n',
    },
    {
      path: '/etc/sysctl.d/50-clusteros.conf',
      mode: 0o644,
      text: SYSCTL,
    },
    // Names are asked of DNS: no multicast name service listens on the LAN.
    {
      path: '/etc/systemd/resolved.conf.d/50-clusteros.conf',
      mode: 0o644,
      text: '[Resolve]\nLLMNR=no\nMulticastDNS=no\n',
    },
    // The image is built whole: nothing to update on first boot (systemd-update-done.service(8)).
    { path: '/etc/.updated', mode: 0o644, text: '' },
    { path: '/var/.updated', mode: 0o644, text: '' },
    // The root partition grows to the end of the disk, then its file system does (x-systemd.growfs in fstab).
    { path: '/etc/repart.d/50-root.conf', mode: 0o644, text: '[Partition]\nType=root\n' },
    {
      path: '/etc/ssh/sshd_config.d/10-clusteros.conf',
      mode: 0o644,
      text: `HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
`,
    },
    ...FIRST_BOOT_FILES,
    ...USER_DATA_FILES,
    ...FRESH_ID_FILES,
  ],
  links: [
    CLOUD_SEED_LINK,
    { path: '/etc/resolv.conf', target: '../run/systemd/resolve/stub-resolv.conf' },
    { path: '/etc/systemd/system-generators/cloud-init-generator', target: '/dev/null' },
    // Offers SSH over vsock to the hypervisor: a way in that nobody asked for, and an error where there is no vsock.
    { path: '/etc/systemd/system-generators/systemd-ssh-generator', target: '/dev/null' },
    // Modules that other units load in case they are wanted; who needs one of these has it loaded by its use.
    ...['configfs', 'dm_mod', 'drm', 'fuse', 'loop'].map((name) => ({
      path: `/etc/systemd/system/modprobe@${name}.service`,
      target: '/dev/null',
    })),
    // Questions whose answer is known: no hibernation, no offline update, no TPM to set up.
    ...['hibernate-resume', 'system-update', 'tpm2'].map((name) => ({
      path: `/etc/systemd/system-generators/systemd-${name}-generator`,
      target: '/dev/null',
    })),
    {
      path: '/etc/systemd/system/multi-user.target.wants/cloud-init.target',
      target: '/usr/lib/systemd/system/cloud-init.target',
    },
  ],
  units: [
    { unit: 'clusteros-seed.service', state: 'enabled', wantedBy: 'sysinit.target' },
    { unit: 'clusteros-user-data.service', state: 'enabled', wantedBy: 'sysinit.target' },
    { unit: 'clusteros-fresh-ids.service', state: 'enabled', wantedBy: 'multi-user.target' },
    { unit: 'clusteros-name-node.service', state: 'enabled', wantedBy: 'sysinit.target' },
    { unit: 'clusteros-ssh-host-key.service', state: 'enabled', wantedBy: 'multi-user.target' },
    { unit: 'systemd-networkd.service', state: 'enabled', wantedBy: 'multi-user.target' },
    { unit: 'systemd-resolved.service', state: 'enabled', wantedBy: 'sysinit.target' },
    { unit: 'systemd-repart.service', state: 'enabled', wantedBy: 'sysinit.target' },
    // A node without a cable must not wait for the network, nor count as degraded for it.
    { unit: 'systemd-networkd-wait-online.service', state: 'masked' },
    // Host keys are ours: one type, made atomically.
    { unit: 'sshd-keygen.service', state: 'masked' },
    { unit: 'cloud-init-hotplugd.socket', state: 'masked' },
    // Nothing may change a node behind the cluster's back.
    { unit: 'apt-daily.timer', state: 'masked' },
    { unit: 'apt-daily-upgrade.timer', state: 'masked' },
    // For who debugs the kernel, and then one mount(8) away.
    { unit: 'sys-kernel-debug.mount', state: 'masked' },
    { unit: 'sys-kernel-tracing.mount', state: 'masked' },
    { unit: 'e2scrub_all.timer', state: 'masked' },
    { unit: 'e2scrub_reap.service', state: 'masked' },
    { unit: 'grub-common.service', state: 'masked' },
  ],
  // The .old links of a first kernel lead to the same kernel; where apt has run in the system itself (Packer), it has
  // left folders of its sandbox's user.
  removes: [
    '/etc/hostname',
    '/etc/motd',
    '/etc/update-motd.d',
    '/vmlinuz.old',
    '/var/cache/apt/archives/partial',
    '/var/lib/apt/lists/partial',
    '/initrd.img.old',
  ],
};
