# What systemd hands over: sockets that it listens on, and an identity as a credential.
. /mnt/lib.sh
dpkg -i /mnt/agent.deb /mnt/controller.deb
adopt 127.0.0.1
mv /var/lib/rollcall/identity.bundle /root/web-1.bundle
chown root: /root/web-1.bundle
systemctl stop $UNIT

printf '[Service]\nLoadCredential=identity.bundle:/root/web-1.bundle\n' >/tmp/credential.conf
mkdir -p /etc/systemd/system/$UNIT.d
cp /tmp/credential.conf /etc/systemd/system/$UNIT.d/
printf '[Socket]\nListenStream=127.0.0.1:7000\nListenStream=127.0.0.1:7001\n' >/etc/systemd/system/rollcall-agent.socket
systemctl daemon-reload
systemctl start rollcall-agent.socket
[ "$(systemctl is-active $UNIT)" = inactive ]

# The first connection starts the agent.
says "1 received" controller ping 127.0.0.1:7000 -c 1
says "1 received" controller ping 127.0.0.1:7001 -c 1
says "127.0.0.1:7000, 127.0.0.1:7001" agent status
says "identity     web-1, until" agent status
# Whoever asks root's programs is told the same.
says "identity web-1 until" agent check-config
refuses 1 "this machine is web-1 already" agent code
systemctl reload $UNIT
journalctl --unit $UNIT --no-pager | grep -q "the service manager listens for this agent"

# An identity that was handed over cannot be written: whoever renews it is told before anything is signed.
refuses 1 "cannot replace" controller renew web-1:7000
says "1 received" controller ping 127.0.0.1:7000 -c 1
