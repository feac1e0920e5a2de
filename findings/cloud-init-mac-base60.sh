#!/usr/bin/env bash
# cloud-init 22.4.2-1+deb12u4 (Debian 12) with PyYAML 6.0-3+b2: a MAC address of decimal digits below 60, not quoted in
# network-config, becomes a number, and the number is written as the address to match. Nothing is said.
#
# Guess:  `macaddress: 52:54:00:12:34:56`, the prefix that QEMU gives its cards, is matched as it stands.
# Seen:   MACAddress=41135085296: no card matches, so the machine has no network. `52:54:00:12:34:5a` beside it is right.
# Why:    YAML 1.1, which PyYAML reads, takes digits and colons for an integer of base 60 (yaml.org/type/int.html);
#         YAML 1.2 does not, and cloud-init checks the schema of version 2 by its names only.
# Ours:   what `clusteros-build seed` writes is quoted; of a network-config that others wrote the node's status names the
#         line (agent/seed/cloud-files.ts).
#
# Needs a Debian 12 machine (its archive and its /usr/bin/python3). Downloads pinned packages into a temporary folder,
# unpacks them there, installs nothing. Fails when the behaviour is another one.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 0755 "$work"

packages=(
  cloud-init=22.4.2-1+deb12u4 python3-yaml python3-jinja2 python3-markupsafe python3-configobj python3-six
  python3-jsonschema python3-attr python3-pyrsistent python3-netifaces python3-oauthlib python3-requests
  python3-urllib3 python3-idna python3-certifi python3-chardet python3-charset-normalizer python3-jsonpatch
  python3-json-pointer python3-serial
)
apt-get download -q "${packages[@]}" >download.log 2>&1 || {
  cat download.log
  exit 1
}
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >network-config <<'YAML'
version: 2
ethernets:
  lan:
    match: {macaddress: 52:54:00:12:34:56}
    set-name: lan
    dhcp4: true
  other:
    match: {macaddress: 52:54:00:12:34:5a}
    set-name: other
    dhcp4: true
YAML

PYTHONPATH=root/usr/lib/python3/dist-packages /usr/bin/python3 -m cloudinit.cmd.main devel net-convert \
  --network-data network-config --kind yaml --distro debian --output-kind networkd --directory out \
  --mac lan,52:54:00:12:34:56 --mac other,52:54:00:12:34:5a >convert.log 2>&1 || {
  cat convert.log
  exit 1
}
written=$(grep -h '^MACAddress=' out/etc/systemd/network/*.network)
printf 'cloud-init 22.4.2-1+deb12u4 wrote:\n%s\n' "$written"
if grep -qi warn convert.log; then
  echo 'changed: it warns now'
  exit 1
fi
if ! grep -qx 'MACAddress=41135085296' <<<"$written" || ! grep -qx 'MACAddress=52:54:00:12:34:5a' <<<"$written"; then
  echo 'changed: the addresses are other ones'
  exit 1
fi
echo 'as found: one address became a number, without a word'
