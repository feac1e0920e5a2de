#!/bin/sh
# build.sh [ARGUMENT OF packer build]...: makes a throw-away SSH key, puts its public half into a copy of the seed,
# and runs Packer. Both are gone when it ends.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# Ed25519: Packer 1.6 would sign with SHA-1 for an RSA key, which OpenSSH refuses.
ssh-keygen -q -t ed25519 -N '' -C '' -f "$work/key"
sed "s|@SSH_PUBLIC_KEY@|$(cut -d ' ' -f 1,2 "$work/key.pub")|" cloud-init/user-data >"$work/user-data"
cp cloud-init/meta-data "$work/meta-data"
if grep -q required_plugins clusteros.pkr.hcl; then packer init .; fi
packer build -var "seed=$work" -var "ssh_private_key_file=$work/key" "$@" .
