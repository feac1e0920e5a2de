# Sourced by the init of initramfs-tools (boot=clusteros-live, see initramfs-tools(7)): the medium is found by the name
# in clusteros.live=, its squashfs mounted, the system in it, and memory laid over that for what changes.
# shellcheck shell=sh disable=SC2034,SC2154 # the init's own variables

mountroot() {
  medium=/run/clusteros/medium
  live=/run/clusteros/live
  name= label=
  # shellcheck disable=SC2013 # words are wanted
  for word in $(cat /proc/cmdline); do
    case $word in
    clusteros.live=PARTUUID=*) name=/dev/disk/by-partuuid/${word#clusteros.live=PARTUUID=} ;;
    clusteros.live=LABEL=*)
      label=${word#clusteros.live=LABEL=}
      name=/dev/disk/by-label/$label
      ;;
    esac
  done
  modprobe -a -q loop overlay squashfs isofs ext4
  wait_for_udev 10
  waited=0
  while ! live_medium; do
    # Optical drives and sticks take their time.
    if [ "$waited" -ge 90 ]; then
      panic "The Cluster-OS medium ($name) was not found. Use another port, or write the stick again."
      waited=0
    fi
    sleep 1
    waited=$((waited + 1))
  done
  mkdir -p -m 0755 /run/clusteros $medium $live $live/iso $live/root $live/changes
  case $label in
  ?*)
    live_step mount -t iso9660 -o ro,nodev,nosuid "$device" $live/iso
    live_step losetup /dev/loop0 $live/iso/live/system.squashfs
    live_step mount -t squashfs -o ro,nodev,nosuid /dev/loop0 $medium
    ;;
  *) live_step mount -t squashfs -o ro,nodev,nosuid "$device" $medium ;;
  esac
  # klibc's losetup opens read-only what cannot be written to.
  live_step losetup /dev/loop1 $medium/install/root.ext4
  live_step mount -t ext4 -o ro,noload /dev/loop1 $live/root
  live_step mount -t tmpfs -o mode=0755,size=50% live $live/changes
  mkdir -p $live/changes/upper $live/changes/work
  live_step mount -t overlay -o "lowerdir=$medium/live:$live/root,upperdir=$live/changes/upper,workdir=$live/changes/work" overlay "$rootmnt"
  echo "MEDIUM=$device" >$live/medium.env
}

# Sets $device when the medium is there. The udev of an initramfs looks at disks, not at discs.
live_medium() {
  if [ -e "$name" ]; then
    link=$(readlink "$name")
    device=/dev/${link##*/}
    return 0
  fi
  [ -n "$label" ] || return 1
  for device in /dev/sr[0-9]*; do
    [ "$(blkid -p -o value -s LABEL "$device" 2>/dev/null)" != "$label" ] || return 0
  done
  return 1
}

live_step() {
  "$@" || panic "The Cluster-OS medium is damaged: $* failed. Write it again, and let it be verified."
}

# What /scripts/local would do for a root on a disk.
mount_top() { :; }
mount_premount() { :; }
mount_bottom() { :; }
