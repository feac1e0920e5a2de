# First process of a host's namespaces: mounts what the host has of its own, then only reaps, until it is killed
# or its standard input ends.
#   host-init.sh RIG-FOLDER NAME [PROGRAM-TO-HIDE ...]
set -eu
rig=$1 name=$2
shift 2
own=$rig/$name
trap '' INT TERM HUP
echo "$name" >/proc/sys/kernel/hostname
# What runs here is root on the machine of the tests: outside of the rig it may only read.
mount --rbind "$rig" "$rig"
mount -o remount,bind,ro /
mount -t sysfs sysfs /sys
# The tests' own clone may lie below /tmp, which is hidden here.
clone=$(cd "${0%/*}/../../.." && pwd)
case $clone in /tmp/*)
  mkdir -p "$own$clone"
  mount --bind "$clone" "$own$clone"
  ;;
esac
mount --rbind "$own/tmp" /tmp
mount --bind "$own/run" /run
# May be a link into /run, which is ours by now.
resolver=$(readlink -m /etc/resolv.conf)
case $resolver in /run/*) mkdir -p "${resolver%/*}" && : >>"$resolver" ;; esac
if [ -e "$resolver" ]; then mount --bind "$own/etc/resolv.conf" "$resolver"; fi
mount --bind "$own/etc/hosts" /etc/hosts
for program in "$@"; do mount --bind "$own/etc/hidden" "$program"; done
ip link set lo up
echo ready
while read -r _; do :; done
