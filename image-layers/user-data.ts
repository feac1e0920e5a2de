import { CLOUD_SEED, USER_DATA_APPLIED } from '../firstboot/cloud-config.ts';
import type { LayerFile } from './layer.ts';

/**
 * The account, name and time zone of a seed, without cloud-init. Starting it costs a first boot more than the kernel
 * does, and what seeds of ours say is always the same few lines (firstboot/templates/user-data.hbs). A script applies
 * these, and leaves the whole seed to cloud-init at the first line that it does not know. Part of the layer `base`.
 */
export const USER_DATA_FILES: readonly LayerFile[] = [
  {
    path: '/usr/lib/clusteros/apply-user-data',
    mode: 0o755,
    text: `#!/bin/sh
# Applies user-data that says only what seeds of Cluster-OS say: one administrator with SSH keys, a time zone, a name.
# Any other line, and all of it is cloud-init's: this script then ends before it has changed anything.
set -eu
umask 022
seed=${CLOUD_SEED}
applied=${USER_DATA_APPLIED}
record=/var/lib/cloud/clusteros-applied

[ -f "$seed/user-data" ] && [ -f "$seed/meta-data" ] || exit 0
# Who has run cloud-init goes on with it; vendor-data is nothing that seeds of ours have.
[ ! -e /var/lib/cloud/data/instance-id ] && [ ! -e "$seed/vendor-data" ] || exit 0

# A word as YAML has it, plain or in quotes, of letters, digits and a few signs; no number and no truth value.
word() {
  word=$1
  case $word in
  \\"*\\") word=\${word#\\"} word=\${word%\\"} ;;
  [0-9]* | true | false | yes | no | on | off | y | n | null) exit 0 ;;
  esac
  case $word in '' | -* | *[!A-Za-z0-9/_+.-]*) exit 0 ;; esac
}

id= local_name=
while IFS= read -r line || [ -n "$line" ]; do
  case $line in
  '' | '#'*) ;;
  'instance-id: '*) word "\${line#*: }" && id=$word ;;
  'local-hostname: '*) word "\${line#*: }" && local_name=$word ;;
  *) exit 0 ;;
  esac
done <"$seed/meta-data"
[ -n "$id" ] || exit 0

if [ -f "$record" ] && read -r before <"$record" && [ "$before" = "$id" ]; then
  : >"$applied"
  exit 0
fi

# DHCP on every wired interface needs no word of the seed; addresses of its own are cloud-init's to write.
if [ -f "$seed/network-config" ]; then
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in '' | '#'* | 'version: 2' | 'ethernets: {}') ;; *) exit 0 ;; esac
  done <"$seed/network-config"
fi

name= keep_name=true zone= user= keys= said= part= head=yes
while IFS= read -r line || [ -n "$line" ]; do
  if [ -n "$head" ]; then
    [ "$line" = '#cloud-config' ] || exit 0
    head=
  fi
  case \${line#"\${line%%[! ]*}"} in '' | '#'*) continue ;; esac
  case $part:$line in
  *:'hostname: '*) part= && word "\${line#*: }" && name=$word ;;
  *:'preserve_hostname: true' | *:'preserve_hostname: false') part= keep_name=\${line#*: } ;;
  *:'timezone: '*) part= && word "\${line#*: }" && zone=$word ;;
  *:'ssh_pwauth: false' | *:'disable_root: true' | *:'package_update: false' | *:'package_upgrade: false') part= ;;
  *:'resize_rootfs: false') part= ;;
  *:'growpart:') part=growpart ;;
  growpart:'  mode: "off"') ;;
  *:'users:')
    [ -z "$user" ] || exit 0
    part=users
    ;;
  users:'  - name: '*)
    [ -z "$user" ] || exit 0
    word "\${line#*: }" && user=$word
    ;;
  [uk]*:'    gecos: "Cluster-OS administrator"') part=users ;;
  [uk]*:'    shell: /bin/bash') said="$said shell" part=users ;;
  [uk]*:'    groups: [adm, sudo, systemd-journal]') said="$said groups" part=users ;;
  [uk]*:'    sudo: "ALL=(ALL) NOPASSWD:ALL"') said="$said sudo" part=users ;;
  [uk]*:'    lock_passwd: true') said="$said lock" part=users ;;
  users:'    ssh_authorized_keys:') said="$said keys" part=keys ;;
  keys:'      - '*)
    key=\${line#      - }
    case $key in \\"*\\") key=\${key#\\"} key=\${key%\\"} ;; esac
    case $key in *[!A-Za-z0-9/_+.=@\\ -]*) exit 0 ;; esac
    case $key in ssh-* | ecdsa-* | sk-*) ;; *) exit 0 ;; esac
    keys="$keys$key
"
    ;;
  *) exit 0 ;;
  esac
done <"$seed/user-data"

# Twice the same key of a mapping, or one left out, is not ours either.
case $said in ' shell groups sudo lock' | ' shell groups sudo lock keys') ;; *) exit 0 ;; esac
case $user in '' | root | *[!a-z0-9_-]*) exit 0 ;; esac
case $name:$keep_name in :true | ?*:false) ;; *) exit 0 ;; esac
case $local_name in '' | "$name") ;; *) exit 0 ;; esac
case $name in *[!a-z0-9-]*) exit 0 ;; esac
case /$zone in */..*) exit 0 ;; esac
[ -z "$zone" ] || [ -f "/usr/share/zoneinfo/$zone" ] || exit 0
while IFS=: read -r known _; do
  [ "$known" != "$user" ] || exit 0
done </etc/passwd

if [ -n "$zone" ]; then
  echo "$zone" >/etc/timezone
  ln -sfn "/usr/share/zoneinfo/$zone" /etc/localtime
fi
if [ -n "$name" ]; then
  echo "$name" >/etc/hostname
  hostname "$name"
fi
# cloud-init's name for the file, so that it finds the rule there.
(umask 0337 && echo "$user ALL=(ALL) NOPASSWD:ALL" >/etc/sudoers.d/90-cloud-init-users)
useradd --create-home --shell /bin/bash --comment 'Cluster-OS administrator' \\
  --groups adm,sudo,systemd-journal "$user"
if [ -n "$keys" ]; then
  home=/home/$user
  mkdir -m 0700 "$home/.ssh"
  (umask 077 && printf %s "$keys" >"$home/.ssh/authorized_keys")
  chown -R "$user:$user" "$home/.ssh"
fi
sync
echo "$id" >"$record.new"
mv "$record.new" "$record"
: >"$applied"
echo "clusteros: made the account $user as the seed says; cloud-init is not needed"
`,
  },
  {
    path: '/etc/systemd/system/clusteros-user-data.service',
    mode: 0o644,
    text: `[Unit]
Description=Apply the user-data of a Cluster-OS seed
DefaultDependencies=no
ConditionPathExists=${CLOUD_SEED}/user-data
After=clusteros-seed.service systemd-remount-fs.service local-fs.target
Before=cloud-init-main.service cloud-init-local.service cloud-init.service cloud-init-network.service
Before=sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/clusteros/apply-user-data

[Install]
WantedBy=sysinit.target
`,
  },
];
