#!/bin/sh
# ordinary-user.sh FOLDER COMMAND [ARGUMENT...]
#
# As root: run a command as a user that this machine does not have, to whom FOLDER is given. He has subordinate ids
# (subuid(5)), and finds this clone at FOLDER/clone, for he may not be let into the place where it lies. Accounts and
# mounts are those of a mount namespace, and go with it.
set -eu
if [ "${1:-}" != --inside ]; then exec unshare --mount -- "$0" --inside "$@"; fi
folder=$2
shift 2
clone=$(dirname "$(dirname "$(readlink -f "$0")")")
id=64321

mkdir -p "$folder/etc" "$folder/clone"
for file in passwd group subuid subgid; do install -m 0644 "/etc/$file" "$folder/etc/$file"; done
echo "builder:x:$id:$id::$folder:/bin/sh" >>"$folder/etc/passwd"
echo "builder:x:$id:" >>"$folder/etc/group"
for file in subuid subgid; do echo "builder:643210000:65536" >>"$folder/etc/$file"; done
chown -R "$id:$id" "$folder"
for file in passwd group subuid subgid; do mount --bind "$folder/etc/$file" "/etc/$file"; done
mount --bind "$clone" "$folder/clone"
cd "$folder"
exec setpriv --reuid="$id" --regid="$id" --clear-groups -- "$@"
