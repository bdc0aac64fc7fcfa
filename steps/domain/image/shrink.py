"""What makes a guest's disks small: a script for the guest, and what it tells of itself."""

import re
from dataclasses import dataclass

USED = re.compile(r"used (before|after): (\d+) KiB")
BEGIN = r"""#!/bin/sh
# Leaves out what an appliance needs no more, fills free space with zeros and gives it back; swap is made anew.
set -u
local_file_systems() { grep -E '^/dev/[^ ]+ [^ ]+ (ext[234]|xfs|btrfs) (rw,|rw )' /proc/mounts; }
used() {
    places=$(local_file_systems | sort -u -k 1,1 | cut -d ' ' -f 2)
    [ -z "$places" ] || df -kP $places | awk -v when="$1" 'NR > 1 {sum += $3} END {print "used " when ": " sum " KiB"}'
}
used before
"""
# k3s is stopped first: its kubelet deletes images while the disks are full. What its images are unpacked from is needed
# no more; manifests and configurations, which are, are smaller.
K3S = r"""
blobs=${K3S_DATA:-/var/lib/rancher/k3s}/agent/containerd/io.containerd.content.v1.content/blobs
if command -v k3s >/dev/null 2>&1; then
    echo "stopping k3s"
    if command -v k3s-killall.sh >/dev/null 2>&1; then
        k3s-killall.sh >/dev/null 2>&1
    else
        systemctl stop k3s
    fi
    find "$blobs" -type f -size +1024k -exec rm -f {} + 2>/dev/null || true
fi
"""
ZEROS = r"""
local_file_systems | while read -r device place kind _; do
    echo "zeroing the free space of $place"
    zeros="$place/.zeros-$$"
    dd if=/dev/zero of="$zeros" bs=1048576 2>/dev/null
    sync
    rm -f "$zeros"
    sync
    fstrim "$place" 2>/dev/null || true
done
tail -n +2 /proc/swaps | while read -r device kind _; do
    [ "$kind" = partition ] || continue
    uuid=$(blkid -s UUID -o value "$device" 2>/dev/null)
    label=$(blkid -s LABEL -o value "$device" 2>/dev/null)
    swapoff "$device" || continue
    echo "zeroing $device"
    dd if=/dev/zero of="$device" bs=1048576 2>/dev/null
    mkswap ${uuid:+-U "$uuid"} ${label:+-L "$label"} "$device" >/dev/null && swapon "$device"
done
sync
used after
"""
SCRIPT = (BEGIN + K3S + ZEROS).encode()


@dataclass
class Shrunk:
    """What the guest's file systems hold, as the script told it; None until then."""

    before_kib: int | None = None
    after_kib: int | None = None

    def take(self, line: str) -> None:
        """Take in a line of the script's."""
        if match := USED.fullmatch(line.strip()):
            setattr(self, f"{match[1]}_kib", int(match[2]))

    def __str__(self) -> str:
        if self.before_kib is None or self.after_kib is None:
            return "the free space of the disks is zeros"
        return f"{self.before_kib >> 10} MiB were used, {self.after_kib >> 10} are; the rest of the disks is zeros"
