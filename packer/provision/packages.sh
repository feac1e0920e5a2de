#!/bin/sh
# In the guest, as root: the packages of all layers, by the recipe of the direct engine (build/rootfs/hooks).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/settings"

# cloud-init and first boot may still be at work; a unit that failed is no reason to stop.
timeout 600 systemctl is-system-running --wait || true

rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
cp "$here/apt.sources" /etc/apt/sources.list.d/clusteros.sources
sh "$here/hooks/essential" /

# Nothing starts here: a service that ran would leave its state in the image. finish.sh removes this.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d

apt() {
  # The stubs of hooks/essential come first in maintainer scripts: finish.sh does their work once.
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
    -o APT::Install-Recommends=false -o Acquire::Languages=none -o Acquire::Retries=2 \
    -o APT::AutoRemove::RecommendsImportant=false -o APT::AutoRemove::SuggestsImportant=false \
    -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confnew \
    -o DPkg::Path=/usr/lib/clusteros-build:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

apt update
# One word for each package: their names have no spaces.
# shellcheck disable=SC2046
apt install $(cat "$here/../layers/packages")
apt dist-upgrade
# What a cloud image has beside: gone, unless a package of ours needs it.
# shellcheck disable=SC2046
apt-mark auto $(apt-mark showmanual) >/dev/null
# shellcheck disable=SC2046
apt-mark manual apt $(cat "$here/../layers/packages") >/dev/null
apt autoremove --purge
