# Where no systemd boots: what can be seen of the packages without one.
. /mnt/lib.sh
dpkg -i /mnt/agent.deb /mnt/controller.deb
getent passwd rollcall
agent check-config
systemd-analyze verify --man=no /lib/systemd/system/$UNIT
systemd-analyze security --offline=true --threshold=15 /lib/systemd/system/$UNIT
refuses 1 "there is no systemd on this machine" agent install --dry-run
refuses 3 "no agent runs" agent status

sed -i 's/^#idle = "5m"/idle = "7m"/' /etc/rollcall/agent.toml
dpkg -i /mnt/agent-next.deb
grep -q '^idle = "7m"' /etc/rollcall/agent.toml
dpkg -r rollcall-agent
[ -f /etc/rollcall/agent.toml ]
dpkg -P rollcall-agent rollcall-controller
[ ! -e /etc/rollcall ]
