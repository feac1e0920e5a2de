#!/bin/sh
# apply-layer.sh FOLDER: what a layer removes, its units, links and files, in the order of
# build/assemble/tree/overlay.ts. Doing it again changes nothing.
set -eu
layer=$1
tab=$(printf '\t')
units=/etc/systemd/system

while IFS= read -r path; do
  rm -rf -- "$path"
done <"$layer/removes"

while IFS=$tab read -r state unit wanted; do
  case $state in
  masked) ln -sfn /dev/null "$units/$unit" ;;
  disabled) rm -f -- "$units/$wanted.wants/$unit" ;;
  enabled)
    place=$units/$unit
    [ ! -e "/usr/lib/systemd/system/$unit" ] || place=/usr/lib/systemd/system/$unit
    mkdir -p -- "$units/$wanted.wants"
    ln -sfn -- "$place" "$units/$wanted.wants/$unit"
    ;;
  *)
    echo "apply-layer.sh: $layer/units: what is $state?" >&2
    exit 1
    ;;
  esac
done <"$layer/units"

while IFS=$tab read -r path target; do
  mkdir -p -- "$(dirname -- "$path")"
  ln -sfn -- "$target" "$path"
done <"$layer/links"

while IFS=$tab read -r mode path; do
  install -D -o 0 -g 0 -m "$mode" -- "$layer/tree$path" "$path"
done <"$layer/files"
