/** A disk copied from an image gets ids of its own on its first start. Part of the layer `base`. */
import { IMAGE_IDS_MARK } from '../agent/installer/fresh-ids.ts';
import type { LayerFile } from './layer.ts';

export const FRESH_ID_FILES: readonly LayerFile[] = [
  {
    path: '/usr/lib/clusteros/fresh-ids',
    mode: 0o755,
    text: `#!/bin/sh
# All disks of one image have the same ids until their first start: this disk gets its own. Nothing that starts the
# machine names one, so it starts from any state that a power cut leaves.
set -eu
mark=${IMAGE_IDS_MARK}
root=$(findmnt --noheadings --output SOURCE /)
parent=$(lsblk --noheadings --nodeps --output PKNAME "$root")
disk=/dev/\${parent:?}
tune2fs -U random "$root"
# A new table beside the disk; then the backup, and when it is on the disk, the table itself: one of them is whole.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
end=$(($(blockdev --getsz "$disk") - 33))
truncate --size="$(((end + 33) * 512))" "$work/disk"
place() { dd if="$1" of="$2" bs=512 skip="$3" seek="$3" count="$4" conv=notrunc,fsync status=none; }
sfdisk --dump "$disk" | sed '/^label-id:/d; s/, uuid=[^,]*//' | sfdisk --quiet "$work/disk"
place "$work/disk" "$disk" "$end" 33
place "$work/disk" "$disk" 1 33
rm "$mark"
sync "\${mark%/*}"
`,
  },
  {
    path: '/etc/systemd/system/clusteros-fresh-ids.service',
    mode: 0o644,
    text: `[Unit]
Description=Give this disk ids of its own
ConditionPathExists=${IMAGE_IDS_MARK}
# After the agent: it is in no hurry, and the node is ready sooner.
After=systemd-repart.service systemd-growfs-root.service node-agent.service

[Service]
Type=oneshot
ExecStart=/usr/lib/clusteros/fresh-ids

[Install]
WantedBy=multi-user.target
`,
  },
];
