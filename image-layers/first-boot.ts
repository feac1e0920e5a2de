import {
  CLOUD_CONDITIONS,
  CLOUD_SEED,
  FOLLOW_USER_DATA,
  USER_DATA_APPLIED,
} from '../firstboot/cloud-config.ts';
import type { LayerFile } from './layer.ts';

/** What happens once, on the machine itself: its host key, its name, its seed. Part of the layer `base`. */
export const FIRST_BOOT_FILES: readonly LayerFile[] = [
  {
    path: '/usr/lib/clusteros/make-ssh-host-key',
    mode: 0o755,
    text: `#!/bin/sh
# Makes the SSH host key on first boot, whole or not at all: a power cut must not leave half a key behind.
set -eu
key=/etc/ssh/ssh_host_ed25519_key
[ -s "$key.pub" ] && ssh-keygen -y -f "$key" >/dev/null 2>&1 && exit 0
work=$(mktemp -d /etc/ssh/.host-key.XXXXXX)
trap 'rm -rf "$work"' EXIT
ssh-keygen -q -t ed25519 -N '' -C '' -f "$work/key"
sync "$work/key" "$work/key.pub"
mv "$work/key.pub" "$key.pub"
mv "$work/key" "$key"
sync /etc/ssh
`,
  },
  {
    path: '/etc/systemd/system/clusteros-ssh-host-key.service',
    mode: 0o644,
    text: `[Unit]
Description=Make the SSH host key of this machine
Before=ssh.service ssh.socket sshd.service
After=systemd-random-seed.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/clusteros/make-ssh-host-key

[Install]
WantedBy=multi-user.target
`,
  },
  {
    path: '/usr/lib/clusteros/name-node',
    mode: 0o755,
    text: `#!/bin/sh
# Names a machine that nobody named: node- and six digits that follow from its machine-id.
set -eu
name=node-$(sha256sum /etc/machine-id | cut -c1-6)
echo "$name" >/etc/.hostname.new
sync /etc/.hostname.new
mv /etc/.hostname.new /etc/hostname
hostname "$name"
`,
  },
  {
    path: '/etc/systemd/system/clusteros-name-node.service',
    mode: 0o644,
    text: `[Unit]
Description=Name this machine
DefaultDependencies=no
# A name in the seed comes first: clusteros-user-data.service or cloud-init writes /etc/hostname.
ConditionPathExists=!/etc/hostname
After=systemd-remount-fs.service clusteros-user-data.service
After=cloud-init-local.service cloud-init.service cloud-init-network.service
Before=sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/clusteros/name-node

[Install]
WantedBy=sysinit.target
`,
  },
  {
    path: '/usr/lib/clusteros/mount-seed',
    mode: 0o755,
    text: `#!/bin/sh
# Mounts the seed, a volume labelled CIDATA, where cloud-init and the node agent look for it. No seed is fine: a
# machine that was installed from a medium keeps what cloud-init reads of it.
set -eu
seed=/run/clusteros/seed
kept=/var/lib/clusteros/seed
live=/run/clusteros/live/medium.env
disk_of() { lsblk --noheadings --nodeps --output PKNAME "$1" | grep . || basename "$1"; }
# As findmnt(8) says it, without starting it: the source, and of a bind mount its folder.
mounted=
while read -r _ _ _ folder place rest; do
  [ "$place" = "$seed" ] || continue
  rest=\${rest#* - }
  rest=\${rest#* }
  mounted=\${rest%% *}
  [ "$folder" = / ] || mounted="$mounted[$folder]"
done </proc/self/mountinfo
# udev starts this once more for the volume that is mounted; only a live system looks for a better one.
case $mounted in '' | *"[$kept]") ;; *) [ -r "$live" ] || exit 0 ;; esac
udevadm settle --timeout=30 --exit-if-exists=/dev/disk/by-label/CIDATA || true
medium=
if [ -r "$live" ]; then
  . "$live"
  medium=$(disk_of "$MEDIUM")
fi
best=
# Whoever can plug a volume in chooses its bytes. Two file systems are read, and no driver of another one.
for device in $(lsblk --raw --noheadings --output PATH,FSTYPE,LABEL |
  sed -n 's/ \\(vfat\\|iso9660\\) \\(CIDATA\\|cidata\\)$//p'); do
  best=\${best:-$device}
  # The stick that a live system runs from has a seed too; one on another drive comes before it.
  if [ -n "$medium" ] && [ "$(disk_of "$device")" != "$medium" ]; then
    best=$device
    break
  fi
done
if [ -z "$best" ]; then
  [ -n "$mounted" ] || [ ! -d "$kept" ] || {
    mkdir -p -m 0700 "$seed"
    mount --bind -o ro,nosuid,nodev,noexec "$kept" "$seed"
  }
  exit 0
fi
# The first seed stays, but for what was kept, and for the live medium's own.
case $mounted in
'' | *"[$kept]") ;;
"$best") exit 0 ;;
*) [ -n "$medium" ] && [ "$(disk_of "$mounted")" = "$medium" ] || exit 0 ;;
esac
mkdir -p -m 0700 "$seed"
type=$(blkid -p -o value -s TYPE "$best")
# FAT knows no owners, ISO 9660 without Rock Ridge neither; the key on them is root's alone.
case $type in
vfat) owners=umask=0077 ;;
iso9660) owners=mode=0400,dmode=0500 ;;
*)
  echo "clusteros: $best is labelled CIDATA and holds $type; a seed is FAT or ISO 9660" >&2
  exit 1
  ;;
esac
exec mount -t "$type" -o "ro,nosuid,nodev,noexec,$owners" "$best" "$seed"
`,
  },
  {
    path: '/usr/lib/clusteros/admit-user-data',
    mode: 0o755,
    text: `#!/bin/sh
# What cloud-init may read of the seed: a copy, made once a boot, so that nothing is judged that is then another. What
# cloud-init reads makes whoever wrote it root. A machine takes it from the first seed; later ones bring key, token and
# settings, which the agent judges, unless the image's definition says otherwise (seed.user_data).
set -eu
umask 077
seed=/run/clusteros/seed
own=${CLOUD_SEED}
ignored=/run/clusteros/user-data-ignored
taken=/var/lib/cloud/clusteros-user-data
[ ! -e "$own" ] || exit 0
# Letters may be large or small, as on FAT; the exact name comes first.
in_seed() { find "$seed" -maxdepth 1 -type f -iname "$1" | LC_ALL=C sort -r | head -n 1; }
# Editors of Windows save UTF-8 with a byte order mark, or UTF-16. cloud-init reads neither.
in_utf8() {
  case $(head -c 3 "$1" | od -An -tx1 | tr -d ' \\n') in
  efbbbf) tail -c +4 "$1" ;;
  fffe* | feff*) iconv -f UTF-16 -t UTF-8 "$1" ;;
  00*) iconv -f UTF-16BE -t UTF-8 "$1" ;;
  ??00*) iconv -f UTF-16LE -t UTF-8 "$1" ;;
  *) cat "$1" ;;
  esac
}
[ -d "$seed" ] && [ -n "$(in_seed meta-data)" ] && [ -n "$(in_seed user-data)" ] || exit 0
rm -rf "$own.new"
mkdir "$own.new"
cd "$own.new"
for name in meta-data network-config user-data vendor-data; do
  file=$(in_seed "$name")
  [ -z "$file" ] || in_utf8 "$file" >"$name" || cp "$file" "$name"
done
digest=$(sha256sum -- * | sha256sum | cut -d ' ' -f 1)
before=$(cat "$taken" 2>/dev/null) || before=
# Without a record: it is new while it has neither started to its end nor a cluster.
if [ -z "$before" ] && [ -e /etc/ssh/ssh_host_ed25519_key ] && [ -e /var/lib/clusteros/cluster.key ]; then before=none; fi
case $before in
'' | "$digest") ;;
*)
  [ -e ${FOLLOW_USER_DATA} ] || {
    rm -rf "$own.new"
    echo 'only the first seed of a machine gives it user-data; to take this too: sudo touch ${FOLLOW_USER_DATA}, and restart' >$ignored
    exit 0
  }
  ;;
esac
[ "$before" = "$digest" ] || {
  mkdir -p -m 0755 "\${taken%/*}"
  echo "$digest" >"$taken.new"
  sync "$taken.new"
  mv "$taken.new" "$taken"
  sync "\${taken%/*}"
}
rm -f $ignored
mv "$own.new" "$own"
`,
  },
  {
    path: '/etc/systemd/system/clusteros-seed.service',
    mode: 0o644,
    text: `[Unit]
Description=Mount the seed (a volume labelled CIDATA)
DefaultDependencies=no
After=systemd-udev-trigger.service systemd-remount-fs.service
Before=cloud-init-main.service cloud-init-local.service cloud-init.service cloud-init-network.service
Before=shutdown.target
Conflicts=shutdown.target

[Service]
# Not RemainAfterExit: udev starts it again when a seed is plugged in later.
Type=oneshot
ExecStart=/usr/lib/clusteros/mount-seed
ExecStart=/usr/lib/clusteros/admit-user-data

[Install]
WantedBy=sysinit.target
`,
  },
  {
    path: '/etc/udev/rules.d/90-clusteros-seed.rules',
    mode: 0o644,
    text: 'ACTION=="add|change", SUBSYSTEM=="block", ENV{ID_FS_LABEL}=="CIDATA|cidata", TAG+="systemd", ENV{SYSTEMD_WANTS}+="clusteros-seed.service"\n',
  },
  // Without a seed cloud-init is not even looked at: its generator is masked and its units have a condition.
  ...[
    'cloud-init-main',
    'cloud-init-local',
    'cloud-init',
    'cloud-init-network',
    'cloud-config',
    'cloud-final',
  ].map((unit) => ({
    path: `/etc/systemd/system/${unit}.service.d/50-clusteros-seed.conf`,
    mode: 0o644,
    text: [
      '[Unit]',
      'After=clusteros-seed.service clusteros-user-data.service',
      ...CLOUD_CONDITIONS.map((path) => `ConditionPathExists=${path}`),
      `ConditionPathExists=!${USER_DATA_APPLIED}`,
      '',
    ].join('\n'),
  })),
];
