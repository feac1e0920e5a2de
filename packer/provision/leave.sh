#!/bin/sh
# The shutdown command, as root: removes the account that Packer uses, exports the root file system when there is a
# disk for it, and powers off. A failure leaves the machine on: Packer then says that it did not shut down.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/settings"
disk=/dev/vdb
# The folder that we were started in is about to go.
cd /

userdel --force "$CLUSTEROS_USER"
rm -rf "/home/$CLUSTEROS_USER" /etc/sudoers.d/90-cloud-init-users /etc/*- /etc/.pwd.lock \
  /var/lib/cloud /var/log/cloud-init* /etc/hostname /etc/netplan/50-cloud-init.yaml \
  /etc/systemd/network/10-cloud-init-* /run/systemd/network/10-cloud-init-* \
  /var/lib/systemd/timers /var/lib/systemd/timesync /var/lib/systemd/linger /var/cache/debconf/tmp.ci \
  /etc/.updated /var/.updated
# As its package has it; cloud-init makes it 0750.
chmod 0755 /etc/sudoers.d
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed
# cloud-init's own folders are gone; what layers put there comes back.
for layer in "$here"/../layers/*/; do
  sh "$here/apply-layer.sh" "${layer%/}"
done
find /var/log -type f -delete

if [ -b "$disk" ]; then
  # Without what is mounted over it: /proc and /dev are folders of the root file system too. And without what belongs
  # to this disk: each target's assembly writes its own.
  root=$(mktemp -d /run/clusteros-root.XXXXXX)
  mount --bind / "$root"
  tar --create --totals --file="$disk" --directory="$root" --sort=name --numeric-owner --one-file-system --format=pax \
    --xattrs --xattrs-include='*' --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
    --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime \
    --exclude='./etc/fstab' --exclude='./boot/grub/clusteros.cfg' --exclude='./lost+found' --exclude='./efi' --exclude='./tmp/*' --exclude='./var/tmp/*' --exclude='./run/*' \
    --exclude='./usr/local/bin/node-agent' . 2>/run/clusteros-totals
  umount "$root"
  bytes=$(sed -n 's/^Total bytes written: \([0-9]*\).*/\1/p' /run/clusteros-totals)
  # The last sector says that all of it is there.
  last=$(($(blockdev --getsize64 "$disk") / 512 - 1))
  printf 'clusteros-export complete %s\n' "${bytes:?}" | dd of="$disk" bs=512 seek="$last" conv=notrunc,fsync status=none
fi
sync
systemctl poweroff
