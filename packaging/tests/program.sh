# One program, copied to the machine by hand: `agent install` and what undoes it.
. /mnt/lib.sh
cp /mnt/controller /usr/local/bin/controller
mkdir /root/download
cp /mnt/agent /root/download/agent

everything() { find /etc /usr/local /var/lib/rollcall /run/systemd/system -newer /tmp/mark 2>/dev/null | sort; }
touch /tmp/mark
says "ProtectSystem=strict" /root/download/agent install --dry-run
says "run systemctl start $UNIT" /root/download/agent install --dry-run
[ -z "$(everything)" ]

# Only root may, and only where there is a systemd.
chmod 755 /root /root/download
refuses 1 "sudo agent install" setpriv --reuid 65534 --clear-groups /root/download/agent install
refuses 1 "there is no systemd on this machine" unshare --mount sh -c \
    "mount -t tmpfs none /run/systemd && /root/download/agent install"
[ -z "$(everything)" ]

/root/download/agent install >/tmp/first
grep -qE '^  [0-9A-Z]{5}(-[0-9A-Z]{5}){4}$' /tmp/first
grep -q '^  controller adopt ' /tmp/first
[ "$(systemctl is-active $UNIT)" = active ]
[ "$(stat -c '%a %U' /usr/local/bin/agent)" = "755 root" ]
[ "$(stat -c '%a %U' /var/lib/rollcall)" = "700 rollcall" ]
systemd-analyze verify --man=no $UNIT
agent check-config >/tmp/said

# Twice changes nothing, and an edited configuration stays.
echo 'log = "debug"' >/tmp/edited
cat /etc/rollcall/agent.toml >>/tmp/edited
cp /tmp/edited /etc/rollcall/agent.toml
before=$(pid)
/root/download/agent install >/tmp/second
never grep -q '^done' /tmp/second
[ "$(pid)" = "$before" ]
cmp /tmp/edited /etc/rollcall/agent.toml

refuses 1 "or with sudo" setpriv --reuid 65534 --clear-groups agent code

# The code that root printed is one that the agent can read; an agent that belongs to somebody says to whom.
adopt 127.0.0.1
says "web-1 serves on" /root/download/agent install
[ "$(stat -c %U /var/lib/rollcall/identity.bundle)" = rollcall ]
agent audit verify
says "none that this user may read" setpriv --reuid 65534 --clear-groups agent status
refuses 1 "or with sudo" setpriv --reuid 65534 --clear-groups agent reset

# A machine that is given to somebody else: each step says the next.
says "sudo systemctl restart rollcall-agent" agent reset --yes
refuses 1 "sudo systemctl restart rollcall-agent" agent code
says "done           run systemctl restart $UNIT" agent install
says "waits on" agent status
adopt_again() {
    agent code 2>/tmp/said | tr -d ' ' >/tmp/code
    cat /tmp/said
    controller adopt 127.0.0.1 --name web-1 --replace --code-file /tmp/code
}
adopt_again
grep -q "controller adopt ADDRESS-OF-THIS-MACHINE" /tmp/said
says "web-1 serves on" agent status

# Another program takes the place of the first.
printf '\0' >>/root/download/agent
says "done           run systemctl restart $UNIT" /root/download/agent install
[ "$(pid)" != "$before" ]
says "web-1" controller info web-1

# So does one that its owner has put there, as package managers do.
before=$(pid)
cp /mnt/agent /usr/local/bin/agent.new
mv /usr/local/bin/agent.new /usr/local/bin/agent
says "done           run systemctl restart $UNIT" agent install
[ "$(pid)" != "$before" ]
agent install >/tmp/said
never grep -q '^done' /tmp/said

# A configuration that is wrong: the one who starts it reads why.
echo 'nonsense = 1' >/etc/rollcall/agent.toml
systemctl stop $UNIT
refuses 1 "unknown key" agent install
refuses 3 "unknown key" agent status
cp /tmp/edited /etc/rollcall/agent.toml

says "remove /usr/local/bin/agent" agent uninstall --dry-run
[ -x /usr/local/bin/agent ]
says "--purge takes them as well" agent uninstall
[ ! -e /usr/local/bin/agent ]
[ -f /var/lib/rollcall/identity.bundle ]
refuses 3 "and no agent runs" /root/download/agent status
says "web-1 serves on" /root/download/agent install
says "web-1" controller info web-1

# A package beside it starts nothing of its own, and says so.
says "hides this package's unit" dpkg --force-confold -i /mnt/agent.deb
dpkg -r rollcall-agent
agent uninstall --purge
[ ! -e /var/lib/rollcall ]
[ ! -e /etc/rollcall ]
[ ! -e /etc/systemd/system/$UNIT ]
never getent passwd rollcall
/root/download/agent uninstall --purge
