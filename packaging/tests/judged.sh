# What the owner of a machine is told beforehand: root's `agent check-config` judges as the service's user would be judged, from
# where the service stands.
. /mnt/lib.sh
dpkg -i /mnt/agent.deb /mnt/controller.deb
[ "$(stat -c '%a %U' /etc/rollcall/agent.d)" = "755 root" ]
says "waits there to be adopted" agent check-config
adopt 127.0.0.1
says "identity web-1 until" agent check-config
refuses 1 "run it as that user: setpriv --reuid" agent run --listen 127.0.0.1:6000
never grep chown /tmp/said

echo "#!/bin/sh" >/tmp/script
chmod 755 /tmp/script
cp /tmp/script /root/script
chmod 700 /root
cp /tmp/script /opt/mode
chmod 644 /opt/mode
printf '#!/bin/none\n' >/opt/bang
chmod 755 /opt/bang
cat >/etc/rollcall/agent.d/more.toml <<END
[check.none]
exec = ["/opt/none"]
[check.mode]
exec = ["/opt/mode"]
[check.bang]
exec = ["/opt/bang"]
[check.closed]
exec = ["/root/script"]
[check.hidden]
exec = ["/tmp/script"]
[check.pinned]
exec = ["/bin/true"]
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
[command.logs]
exec = ["/usr/bin/tail", "{log}"]
parameter.log.beneath = "/nonexistent"
END
sed -i 's/^\[allow\]/[allow]\noperator = ["run:logs", "run:lgos"]/' /etc/rollcall/agent.toml
agent check-config >/tmp/checked 2>&1 && exit 1
cat /tmp/checked
while read -r line; do
    grep -F "$line" /tmp/checked
done >/dev/null <<END
check.none: cannot start /opt/none: there is no such file
check.mode: cannot start /opt/mode: it is not executable
check.bang: cannot start /opt/bang: what its first line (#!) names cannot be started: /bin/none
check.closed: cannot start /root/script: a folder on the way to it is closed to the agent's user
check.hidden: cannot start /tmp/script: there is no such file
check.pinned: cannot start /bin/true: its SHA-256 is
command.logs: cannot start /usr/bin/tail: nothing can be given as "log": /nonexistent cannot be opened
allow.operator: it says \`run:lgos\`, and no command \`lgos\` is declared
END
# The first declaration needs a start, which takes the rest and warns of these.
never systemctl reload $UNIT
systemctl restart $UNIT
journalctl --unit $UNIT --no-pager --priority warning | sed 's/.*\]: //' >/tmp/warned
while read -r line; do
    grep -F "${line#agent: }" /tmp/warned
done </tmp/checked >/dev/null
says "web-1" controller info web-1
refuses 126 "/nonexistent cannot be opened" controller run web-1 logs log=x
refuses 3 "cannot start /tmp/script: there is no such file" controller check web-1 hidden
refuses 3 "cannot start /tmp/script: there is no such file" controller check web-1 hidden --explain

# As root it would be right, and as the service's user it is not.
printf '[check.other]\nexec = ["/bin/true"]\nuser = "www-data"\n' >/etc/rollcall/agent.d/more.toml
refuses 1 "only an agent that is started as root" agent check-config

# What root has put there is of no use to the agent's user.
rm /etc/rollcall/agent.d/more.toml
chown root: /var/lib/rollcall/identity.bundle
refuses 1 "chown $(id -u rollcall) /var/lib/rollcall/identity.bundle" agent check-config
chown rollcall: /var/lib/rollcall/identity.bundle

# Groups that the unit alone gives it: as docs/operations.md has it for logs.
printf '[command.log]\nexec = ["/usr/bin/cat", "/var/log/closed.log"]\n[command.mine]\nexec = ["/opt/mine"]\n' >/etc/rollcall/agent.d/more.toml
sed -i 's/^operator = .*/operator = ["run:log", "run:mine"]/' /etc/rollcall/agent.toml
printf '#!/bin/sh\necho ours\n' >/opt/mine
echo "what adm may read" >/var/log/closed.log
chgrp adm /var/log/closed.log /opt/mine
chmod 640 /var/log/closed.log
chmod 750 /opt/mine
refuses 1 "the agent's user may not execute it" agent check-config
systemctl restart $UNIT
refuses 1 "Permission denied" controller run web-1 log
mkdir -p /etc/systemd/system/$UNIT.d
printf '[Service]\nSupplementaryGroups=adm\n' >/etc/systemd/system/$UNIT.d/logs.conf
systemctl daemon-reload
systemctl restart $UNIT
says "identity web-1 until" agent check-config
systemctl reload $UNIT
says "what adm may read" controller run web-1 log
says ours controller run web-1 mine
