# What the scripts beside it share. Each runs as root on a machine that was booted for it, as `sh -eux SCRIPT DISK`.

UNIT=rollcall-agent.service

# Tries a command until it succeeds, for at most 30 seconds.
until_true() {
    left=300
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.1
    done
} 2>/dev/null

# A command that must fail. `! COMMAND` would not do: that never ends a script.
never() {
    if "$@"; then return 1; fi
}

# A command that must end with this exit code and say this.
refuses() {
    code=$1 said=$2
    shift 2
    got=0
    "$@" >/tmp/said 2>&1 || got=$?
    cat /tmp/said
    [ "$got" = "$code" ]
    grep -qF -- "$said" /tmp/said
}

says() { refuses 0 "$@"; }

property() { systemctl show --property "$1" --value "$UNIT"; }

pid() { property MainPID; }

# Adopts the machine's own agent, as somebody at a desk would.
adopt() {
    agent code 2>/dev/null | tr -d ' ' >/tmp/code
    controller adopt "$1" --name web-1 --code-file /tmp/code
}
