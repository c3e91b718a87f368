# What `services`, `processes` and `files` tell from inside the unit's sandbox.
. /mnt/lib.sh
dpkg -i /mnt/agent.deb /mnt/controller.deb
printf 'listen = "0.0.0.0:5669"\n[allow]\noperator = "files"\n' >/etc/rollcall/agent.toml
unit() { printf '[Service]\n%s\n' "$2" >"/run/systemd/system/$1.service"; }
unit good 'ExecStart=/bin/sleep 1000'
unit broken 'ExecStart=/bin/false'
# Ends twice, and then goes on.
unit weak 'ExecStart=/bin/sh -c "echo >>/run/weak; [ $$(wc -l </run/weak) -gt 2 ] && exec sleep 1000; exit 1"
Restart=always
RestartSec=10ms'
systemctl daemon-reload
systemctl start good weak
never systemctl start broken || systemctl status broken || true
restarted_twice() { [ "$(systemctl show --property NRestarts --value weak)" = 2 ]; }
until_true restarted_twice
until_true systemctl is-failed broken

# The unit rates as before, and the line to the bus is no hole in the sandbox.
systemctl restart $UNIT
adopt 127.0.0.1
systemd-analyze security --threshold=15 $UNIT
runuser --user rollcall -- agent selfcheck

services() { controller services web-1 "$@" | tr -s ' '; }
said() { grep -qE "$1" /tmp/told; }
services good broken weak nowhere $UNIT basic.target 'a b' >/tmp/told
cat /tmp/told
said '^ good.service loaded active running 0 20[-0-9]+T[:0-9]+Z$'
said '^ broken.service loaded failed failed 0 20'
said '^ weak.service loaded active running 2 20'
said '^ nowhere.service not-found inactive dead$'
said "^ $UNIT loaded active running 0 20"
said '^ basic.target loaded active active 20'
said '^ a b.service unknown .*not valid|^ a b.service unknown .*neither'
# It is systemd's own word, and the moment is the one that people see.
since=$(date --utc --date "$(systemctl show --property StateChangeTimestamp --value good)" +%Y-%m-%dT%H:%M:%SZ)
services good | grep -q "$since"
systemctl stop good
services good | grep -E '^ good.service (loaded|not-found) inactive dead'

# Whoever holds that line can ask everything, and change nothing.
never runuser --user rollcall -- busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 \
    org.freedesktop.systemd1.Manager StartUnit ss good.service replace
systemctl is-active weak

controller processes web-1 systemd agent 'no such' | tr -s ' ' >/tmp/told
cat /tmp/told
said '^ systemd [1-9][0-9]* 0 20'
said '^ agent 1 0 20'
said '^ no such 0 0$'

echo 12345 >/srv/file
touch --date 2020-02-03T04:05:06Z /srv/file
mkdir --mode 700 /srv/closed
echo x >/tmp/file
controller files web-1 /srv/file /srv /dev/null /nowhere /tmp/file /srv/closed/file | tr -s ' ' >/tmp/told
cat /tmp/told
said '^ /srv/file file 6 B 2020-02-03T04:05:06Z$'
said '^ /srv folder '
said '^ /nowhere not there$'
# The unit has a /tmp and a /dev of its own, which say nothing of the machine's.
said '^ /tmp/file unknown is hidden'
said '^ /dev/null unknown is hidden'
said '^ /srv/closed/file unknown Permission denied'

# Without its bus the agent says so, and all else goes on.
before=$(pid)
systemctl stop dbus.socket dbus.service
refuses 1 "the line to the machine's bus was lost" controller services web-1 weak
refuses 1 "systemctl restart rollcall-agent" controller services web-1 weak
says "web-1" controller info web-1
controller processes web-1 agent
[ "$(pid)" = "$before" ]
# One that starts without a bus serves all the same.
systemctl restart $UNIT
refuses 1 "has no line to the machine's bus" controller services web-1 weak
says "web-1" controller info web-1
systemctl start dbus.socket
systemctl restart $UNIT
# systemd comes back to a new bus when it sees it.
answers() { services weak | grep '^ weak.service loaded active running 2'; }
until_true answers

# As root it tells the same, and the bus takes it for nobody.
systemctl stop $UNIT
cp --recursive --preserve=mode /var/lib/rollcall /root/state
systemd-run --quiet --unit asroot agent run --state /root/state --listen 127.0.0.1:5669
until_true answers
busctl list --no-pager --no-legend >/tmp/told
said ' agent +nobody '
never said ' agent +root '
