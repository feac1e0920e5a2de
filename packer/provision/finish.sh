#!/bin/sh
# In the guest, as root: the customize hook of the direct engine on the running system, then the layers once more,
# as the hook removes some of what they put there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/settings"
export SOURCE_DATE_EPOCH CLUSTEROS_INITRAMFS

apt-get clean
rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/* /var/cache/apt/*.bin /boot/initrd.img-* /var/lib/initramfs-tools/*
sh "$here/hooks/customize" /
for layer in "$here"/../layers/*/; do
  sh "$here/apply-layer.sh" "${layer%/}"
done
# The node agent is one more file, where it came along.
[ ! -e "$here/node-agent" ] || install -D -m 0755 "$here/node-agent" /usr/local/bin/node-agent
