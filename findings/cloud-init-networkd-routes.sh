#!/usr/bin/env bash
# cloud-init 22.4.2-1+deb12u4 (Debian 12), renderer networkd: two routes of a valid network-config (version 2) are written
# as other routes, without an error or a warning.
#
# Guess:  `to: "::/0"` becomes Destination=::/0, and `metric: 50` becomes Metric=50 (systemd.network(5)).
# Seen:   Destination=::/64, so the machine has no IPv6 default route; no Metric= at all, so the order of routes is lost.
# Why:    cloudinit/net/network_state.py reads only `to` and `via` of a route in version 2, and normalizes it twice: the
#         second time _normalize_net_keys drops a prefix length of 0 as empty, and takes 64 for IPv6 without one.
# Ours:   `clusteros-build seed` refuses both for base debian-12 (settings/network-config.ts).
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
  eth0:
    match: {macaddress: "52:54:00:12:34:56"}
    addresses: [192.0.2.10/24, "2001:db8::10/64"]
    routes:
      - {to: "::/0", via: "2001:db8::1"}
      - {to: 198.51.100.0/24, via: 192.0.2.1, metric: 50}
YAML

PYTHONPATH=root/usr/lib/python3/dist-packages /usr/bin/python3 -m cloudinit.cmd.main devel net-convert \
  --network-data network-config --kind yaml --distro debian --output-kind networkd --directory out \
  --mac eth0,52:54:00:12:34:56 >convert.log 2>&1 || {
  cat convert.log
  exit 1
}
written=$(cat out/etc/systemd/network/*.network)
printf 'cloud-init 22.4.2-1+deb12u4 wrote:\n%s\n' "$written"
if grep -qi warn convert.log; then
  echo 'changed: it warns now'
  exit 1
fi
if ! grep -qx 'Destination=::/64' <<<"$written" || grep -qx 'Destination=::/0' <<<"$written"; then
  echo 'changed: the default route is another one'
  exit 1
fi
if grep -q '^Metric=' <<<"$written"; then
  echo 'changed: the metric is written'
  exit 1
fi
echo 'as found: ::/0 became ::/64, and the metric is gone'
