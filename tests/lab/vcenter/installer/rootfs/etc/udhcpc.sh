#!/bin/sh
case $1 in
bound | renew)
    ifconfig "$interface" "$ip" netmask "$subnet"
    [ -z "$router" ] || ip route replace default via "${router%% *}"
    : >/etc/resolv.conf
    for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
    ;;
esac
true
