# The installer: finds its kickstart as anaconda does, and stops with a question where anaconda would.

label_of() { dd if="$1" bs=1 skip=32808 count=32 2>/dev/null | sed 's/ *$//'; }

# device_of NAME: of fd0, sr0, /dev/sr1, LABEL=...
device_of() {
    case $1 in
    LABEL=*)
        for each in /dev/sr0 /dev/sr1 /dev/sr2; do
            [ -b $each ] && [ "$(label_of $each)" = "${1#LABEL=}" ] && echo $each && return
        done
        findfs "$1" 2>/dev/null
        ;;
    /dev/*) echo "$1" ;;
    *) echo "/dev/$1" ;;
    esac
}

# take_from DEVICE PATH: the file is /tmp/ks.cfg then
take_from() {
    within 50 "[ -b '$1' ]" || return 1
    mount -t iso9660 -o ro "$1" /source 2>/dev/null || mount -t vfat -o ro "$1" /source 2>/dev/null || return 1
    cp "/source/${2#/}" /tmp/ks.cfg 2>/dev/null
    status=$?
    umount /source
    return $status
}

network_up() {
    ip link set lo up
    ip link set eth0 up || return 1
    case $(option ip) in
    *.*.*.*:*) # address::gateway:netmask:name:device:none
        IFS=: read -r address _ gateway netmask _ <<-END
			$(option ip)
		END
        ifconfig eth0 "$address" netmask "$netmask"
        [ -z "$gateway" ] || ip route add default via "$gateway"
        ;;
    *) udhcpc -i eth0 -q -n -s /etc/udhcpc.sh -t 6 -T 3 ;;
    esac
}

find_kickstart() {
    place=$(option inst.ks)
    place=${place:-$(option ks)}
    [ -z "$place" ] && place=$(grep -qE '(^| )(inst\.)?ks( |$)' /proc/cmdline && echo cdrom:/ks.cfg)
    case $place in
    hd:*) rest=${place#hd:} && take_from "$(device_of "${rest%%:*}")" "${rest#*:}" ;;
    floppy) take_from /dev/fd0 /ks.cfg ;;
    floppy:*) take_from /dev/fd0 "${place#floppy:}" ;;
    cdrom:/dev/*) rest=${place#cdrom:} && take_from "${rest%%:*}" "${rest#*:}" ;;
    cdrom:*) for each in /dev/sr0 /dev/sr1; do take_from $each "${place#cdrom:}" && return; done && false ;;
    http://*) network_up && guest fetch "$place" /tmp/ks.cfg ;;
    "") disk=$(device_of LABEL=OEMDRV) && [ -n "$disk" ] && place="$disk (OEMDRV)" && take_from "$disk" /ks.cfg ;;
    *) false ;;
    esac
}

find_disk() {
    for disk in sda vda nvme0n1; do
        part=$disk
        [ $disk = nvme0n1 ] && part=${disk}p
        within 10 "[ -b /dev/$disk ]" && return
    done
    stop "1) [!] Installation Destination (No disks selected)"
}

find_medium() {
    within 50 '[ -b /dev/sr0 ]'
    for medium in /dev/sr0 /dev/sr1 /dev/sr2; do
        [ -b $medium ] && mount -t iso9660 -o ro $medium /medium 2>/dev/null || continue
        [ -f /medium/disk.gz ] && return
        umount /medium
    done
    stop "1) [!] Installation Source (Error setting up base repository)"
}

install_system() {
    say "Starting installer, one moment..."
    echo "installer: command line: $(cat /proc/cmdline)"
    if ! find_kickstart; then
        [ -z "$place" ] || say "Kickstart file $place is missing."
        stop "1) [!] Installation Destination   2) [!] Root password (Password is not set)"
    fi
    tr -d '\r' </tmp/ks.cfg >/tmp/kickstart
    say "Kickstart $place: $(wc -l </tmp/kickstart) lines"
    question=$(guest check /tmp/kickstart 2>&1) || stop "$question"
    find_medium
    find_disk
    say "Installing to /dev/$disk"
    gunzip -c /medium/disk.gz >/dev/$disk || stop "The disk /dev/$disk is too small, or broken."
    sync
    blockdev --rereadpt /dev/$disk 2>/dev/null
    within 50 "[ -b /dev/${part}2 ]" || stop "No partitions on /dev/$disk."
    mount -t ext4 /dev/${part}2 /mnt || stop "/dev/${part}2 cannot be mounted."
    for each in dev proc sys; do mount --bind /$each /mnt/$each; done
    cp /etc/resolv.conf /mnt/etc/ 2>/dev/null
    guest apply /tmp/kickstart /mnt >/tmp/ending || stop "An error occurred during installation."
    cp /proc/cmdline /mnt/root/installer-cmdline
    for each in dev proc sys; do umount /mnt/$each; done
    umount /mnt /medium
    sync
    finish "$(cat /tmp/ending)"
}

finish() {
    say "Installation complete: $1"
    case $1 in
    poweroff) poweroff -f ;;
    reboot*) [ "$1" = reboot ] || guest eject "$medium" ;;
    *)
        say "Press ENTER to quit"
        read -r _ </dev/tty1
        ;;
    esac
    reboot -f
}
