# First process of a rig's namespaces; runs until its standard input ends, which the end of the test process does
# too, however it came. With it the kernel ends every process of the rig, and the mounts and networks follow.
#   rig-init.sh FOLDER
set -u
folder=$1
case $folder in /*/cosrig.*) ;; *) echo "not a rig's folder: $folder" >&2; exit 2 ;; esac
trap '' INT TERM HUP
echo ready
while read -r _; do :; done
kill -KILL -1
umount -- "$folder"/*/disk 2>/dev/null
rm -rf --one-file-system -- "$folder"
