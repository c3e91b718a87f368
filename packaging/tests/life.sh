# What systemd does for an agent that is killed, hangs, or has new settings.
. /mnt/lib.sh
dpkg -i /mnt/agent.deb /mnt/controller.deb
restarted() { [ "$(property NRestarts)" = "$1" ] && [ "$(property ActiveState)" = active ]; }

# As close to systemd as the installed one allows.
version=$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
if [ "$version" -ge 253 ]; then type=notify-reload; else type=notify; fi
[ "$(property Type)" = $type ]

# An agent that nobody owns yet can be told to reload all the same.
systemctl reload $UNIT
adopt 127.0.0.1

systemctl kill --signal KILL --kill-who main $UNIT
until_true restarted 1
says "web-1" controller info web-1
says "restarts: 1" agent status

# An agent that hangs says nothing any more: here it is missed after two seconds in place of thirty.
mkdir -p /run/systemd/system/$UNIT.d
printf '[Service]\nWatchdogSec=2s\n' >/run/systemd/system/$UNIT.d/watchdog.conf
systemctl daemon-reload
systemctl restart $UNIT
sleep 5
[ "$(property NRestarts)" = 0 ]
systemctl kill --signal STOP --kill-who main $UNIT
until_true restarted 1
journalctl --unit $UNIT --no-pager | grep -q "Watchdog timeout"
says "web-1" controller info web-1

# Settings are read again by the same process; bad ones are refused, and stand among the last errors.
before=$(pid)
sed -i 's/^\[deny\]/[deny]\noperator = "echo"/' /etc/rollcall/agent.toml
systemctl reload $UNIT
denied() { ! controller echo web-1 hello; }
until_true denied
[ "$(pid)" = "$before" ]
echo 'nonsense = 1' >>/etc/rollcall/agent.toml
systemctl reload $UNIT
told() { agent status | grep -q nonsense; }
until_true told
says "is active" agent status

systemctl stop $UNIT
refuses 3 "inactive" agent status
[ "$(property Result)" = success ]

# Without systemd's word, the lock of its folder tells whether one runs.
refuses 3 "no agent runs" unshare --mount sh -c "mount -t tmpfs none /run/systemd && agent status"
