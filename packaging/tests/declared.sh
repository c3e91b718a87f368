# What is declared runs under the unit: as the agent's user, inside its sandbox, and with the agent.
. /mnt/lib.sh
dpkg -i /mnt/agent.deb /mnt/controller.deb
cat >/etc/rollcall/agent.toml <<END
listen = "0.0.0.0:5669"
[allow]
operator = ["run:who", "run:tail"]
[check.root]
exec = ["/bin/sh", "-c", "echo OK - root is there"]
[command.who]
exec = ["/usr/bin/env", "id", "-un"]
env = { PATH = "/usr/bin" }
[command.tail]
exec = ["/usr/bin/tail", "-n", "1", "--", "{log}"]
parameter.log.beneath = "/var/log"
END
echo "the last line" >/var/log/some.log
ln -sfn ../../etc/passwd /var/log/out.log
agent check-config
systemctl restart $UNIT
adopt 127.0.0.1
says "OK - root is there" controller check web-1 root
says rollcall controller run web-1 who
says "the last line" controller run web-1 tail log=some.log
refuses 126 "it leads out of /var/log" controller run web-1 tail log=out.log

# A pattern that does not find itself. The runner goes with the agent, and comes with it.
runner() { [ "$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -cx 'runne[r]')" = "$1" ]; }
runner 1
systemctl kill --signal KILL --kill-who main $UNIT
restarted() { [ "$(property NRestarts)" = 1 ] && [ "$(property ActiveState)" = active ]; }
until_true restarted
until_true runner 1
says "OK - root is there" controller check web-1 root
systemctl stop $UNIT
until_true runner 0
