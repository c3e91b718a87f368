# The packages' whole life: installed, edited, upgraded, removed, installed again, purged.
. /mnt/lib.sh

dpkg -i /mnt/agent.deb /mnt/controller.deb
[ "$(systemctl is-active $UNIT)" = active ]
[ "$(systemctl is-enabled $UNIT)" = enabled ]
says "waits on 0.0.0.0:5669" agent status
says "belongs to nobody" agent status
[ "$(stat -c '%a %U' /var/lib/rollcall)" = "700 rollcall" ]
[ "$(stat -c '%a %U' /etc/rollcall/agent.toml)" = "644 root" ]
# minbase leaves man pages away when packages are unpacked; the package has them.
for file in man/man8/agent.8.gz man/man8/agent-install.8.gz man/man5/agent.toml.5.gz \
    bash-completion/completions/agent zsh/vendor-completions/_agent fish/vendor_completions.d/agent.fish; do
    dpkg -L rollcall-agent | grep -qx "/usr/share/$file"
done
for file in man/man1/controller.1.gz man/man1/controller-adopt.1.gz bash-completion/completions/controller \
    zsh/vendor-completions/_controller fish/vendor_completions.d/controller.fish; do
    dpkg -L rollcall-controller | grep -qx "/usr/share/$file"
done

# What the pages that it brings point to.
for page in README.md docs/operations.md docs/security.md docs/protocol.md; do
    dpkg -L rollcall-agent | grep -qE "^/usr/share/doc/rollcall-agent/$page(.gz)?$"
done

# As a shell asks what can be typed next.
asks() { env COMPLETE=bash _CLAP_COMPLETE_INDEX=1 _CLAP_COMPLETE_COMP_TYPE=9 "$1" -- "$1" "$2"; }
says check-config asks agent che
says doctor asks controller doc

systemd-analyze verify --man=no $UNIT
systemd-analyze security --threshold=15 $UNIT

# The unit must not keep the agent from putting walls around itself.
never grep "sandbox is not whole" <<END
$(journalctl --unit $UNIT --no-pager)
END

# The package's own program needs nothing, and another one is no help.
says "nothing to do" agent install
refuses 1 "rollcall-agent" /mnt/agent install
refuses 1 "apt-get remove rollcall-agent" agent uninstall

adopt 127.0.0.1
says "web-1 serves on 0.0.0.0:5669" agent status
says "answers" sh -c "controller ping web-1 -c 1 && echo answers"

# An upgrade starts the new one, and keeps what the owner wrote and who the agent is.
sed -i 's/^#idle = "5m"/idle = "7m"/' /etc/rollcall/agent.toml
before=$(pid)
dpkg -i /mnt/agent-next.deb
[ "$(systemctl is-active $UNIT)" = active ]
[ "$(pid)" != "$before" ]
grep -q '^idle = "7m"' /etc/rollcall/agent.toml
says "web-1" controller info web-1

# Whoever has disabled it does not want an upgrade to enable it.
systemctl disable --now $UNIT
dpkg -i /mnt/agent.deb
[ "$(systemctl is-enabled $UNIT)" = disabled ]
systemctl enable --now $UNIT

dpkg -r rollcall-agent
[ "$(systemctl is-active $UNIT)" = inactive ]
[ -f /var/lib/rollcall/identity.bundle ]
[ -f /etc/rollcall/agent.toml ]
dpkg -i /mnt/agent.deb
says "web-1" controller info web-1

dpkg -P rollcall-agent rollcall-controller
[ ! -e /var/lib/rollcall ]
[ ! -e /etc/rollcall ]
[ ! -e /usr/bin/agent ]
[ ! -e /etc/systemd/system/multi-user.target.wants/$UNIT ]
