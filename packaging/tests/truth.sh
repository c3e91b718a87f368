# What `info` reports from inside the sandbox of the unit must be the machine's own.
. /mnt/lib.sh
disk=$1
if [ -n "$disk" ]; then
    mknod /dev/testdisk b $disk
    # Where the unit has a folder of its own in place of the machine's.
    mount /dev/testdisk /var/tmp
else
    echo "NOT RUN: disks as the unit's sandbox shows them: no loop device"
fi
dpkg -i /mnt/agent.deb /mnt/controller.deb
adopt 127.0.0.1

# Later than the agent: another disk, a read-only one, and somebody who logs in.
mkdir -p /srv/data
mount -t overlay -o ro,lowerdir=/usr:/var none /srv/data
if [ -n "$disk" ]; then
    umount /var/tmp
    systemctl restart $UNIT
    mount -o ro /dev/testdisk /home
fi
mkdir -p /run/systemd/sessions
if command -v utmpdump; then
    line='[7] [00001] [ts/0] [alice   ] [pts/0       ] [192.0.2.7           ] [192.0.2.7      ]'
    echo "$line [2026-01-01T00:00:00,000000+00:00]" | utmpdump -r >/run/utmp
else
    # A release that keeps no such file any more asks systemd.
    printf 'USER=alice\nTTY=pts/0\nREMOTE_HOST=192.0.2.7\nCLASS=user\nSTATE=active\n' >/run/systemd/sessions/7
fi

# The same program without any unit, as root, is what it must agree with.
export ROLLCALL_HOME=/root/other
systemd-run --quiet --unit other agent run --state /root/other-state --listen 127.0.0.1:6000
waits() { [ -e /root/other-state/adoption.address ]; }
until_true waits
agent code --state /root/other-state 2>/dev/null | tr -d ' ' >/tmp/code
controller adopt 127.0.0.1:6000 --name web-1 --code-file /tmp/code
# Names and sizes; what changes from one moment to the next is left out.
lasting() {
    controller info web-1 --output json | grep -E '"(mount_point|kind|source|read_only|size_bytes|inodes|problem|name|terminal|from|up|mac|os|kernel|host_name|booted|time_zone|model|logical_cores|physical_cores|total_bytes|swap_total_bytes|virtualisation|hardware)":|^ +"[0-9a-f.:]+/[0-9]+"' |
        grep -v '"certificate'
}
lasting >/tmp/outside
unset ROLLCALL_HOME
lasting >/tmp/inside
cat /tmp/inside
diff /tmp/outside /tmp/inside

grep -q '"mount_point": "/"' /tmp/inside
grep -q '"name": "alice"' /tmp/inside
grep -q '"127.0.0.1/8"' /tmp/inside
controller info web-1 | grep -E '^ +/ +overlay +rw '
if [ -n "$disk" ]; then
    controller info web-1 | grep -E '^ +/home +ext4 +ro +[0-9]'
    # A disk below a folder that the unit replaces by its own.
    umount /home
    systemctl stop $UNIT
    mount /dev/testdisk /var/tmp
    systemctl start $UNIT
    controller info web-1 | grep -E '^ +/var/tmp +ext4 +rw +[0-9]'
fi
hostname other-name
controller info web-1 | grep -E 'host +other-name'
