#!/bin/sh
# A hook of initramfs-tools: what a live medium needs to find its root. `most` has the disks, not these.
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules isofs loop overlay squashfs
