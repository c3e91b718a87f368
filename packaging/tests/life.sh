# What systemd does for an agent that is killed, hangs, or has new settings.
. /mnt/lib.sh
dpkg -i /mnt/agent.deb /mnt/controller.deb
restarted() { [ "$(property NRestarts)" = "$1" ] && [ "$(property ActiveState)" = active ]; }

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

# Settings are read again by the same process; bad ones are refused: whoever reloads is told, and so is the journal.
before=$(pid)
sed -i 's/^\[deny\]/[deny]\noperator = "echo"/' /etc/rollcall/agent.toml
systemctl reload $UNIT
denied() { ! controller echo web-1 hello; }
until_true denied
[ "$(pid)" = "$before" ]
cp /etc/rollcall/agent.toml /tmp/good.toml
echo 'nonsense = 1' >>/etc/rollcall/agent.toml
never systemctl reload $UNIT
told() { agent status | grep -q nonsense; }
until_true told
says "is active" agent status
systemctl kill --signal HUP --kill-who main $UNIT
kept() { agent status | grep "says.*kept all of the old settings.*nonsense"; }
until_true kept
cp /tmp/good.toml /etc/rollcall/agent.toml
systemctl restart $UNIT
says "last errors  none" agent status

# A start that fails says why, where whoever looks for errors finds it.
sed -i 's/^listen = .*/listen = "192.0.2.1"/' /etc/rollcall/agent.toml
never systemctl restart $UNIT
journalctl --unit $UNIT --no-pager --priority warning | grep "cannot listen on 192.0.2.1:5669"
refuses 3 "cannot listen on 192.0.2.1:5669" agent status
never grep "says " /tmp/said
cp /tmp/good.toml /etc/rollcall/agent.toml
systemctl restart $UNIT

systemctl stop $UNIT
refuses 3 "inactive" agent status
never grep "says " /tmp/said
[ "$(property Result)" = success ]

# Without systemd's word, the lock of its folder tells whether one runs.
refuses 3 "no agent runs" unshare --mount sh -c "mount -t tmpfs none /run/systemd && agent status"
