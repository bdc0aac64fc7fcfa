#!/bin/sh
# Takes out of an installed system what is of its installation only or of no use in an image: package caches, logs,
# leases and seeds. Host keys and the machine id go last of all, with shutdown_command: who has none lets nobody in.
set -eu

for manager in tdnf dnf yum; do
    if command -v "$manager" >/dev/null 2>&1; then
        "$manager" clean all
        break
    fi
done
rm -rf /var/cache/dnf/* /var/cache/tdnf/* /var/cache/yum/*

# What the installer leaves: its answers hold the password's hash.
rm -f /root/anaconda-ks.cfg /root/original-ks.cfg /root/ks-post.log /tmp/ks-script-*
rm -rf /var/log/anaconda

# A clone draws its own.
rm -f /var/lib/systemd/random-seed /var/lib/NetworkManager/*.lease /var/lib/NetworkManager/secret_key
rm -f /var/lib/dhclient/*.leases /etc/udev/rules.d/70-persistent-net.rules
if [ ! -L /var/lib/dbus/machine-id ]; then
    rm -f /var/lib/dbus/machine-id
fi

# Logs: old ones go, those that are written to stay and are empty.
if command -v journalctl >/dev/null 2>&1; then
    journalctl --rotate >/dev/null 2>&1 || true # systemd 219 of CentOS 7 cannot
    journalctl --vacuum-time=1s >/dev/null 2>&1 || true
fi
find /var/log -type f \( -name '*.gz' -o -name '*.old' -o -name '*-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]' \) -delete
find /var/log -type f ! -path '/var/log/journal/*' -exec truncate -s 0 {} +

rm -f /root/.bash_history
sync
