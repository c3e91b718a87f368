#!/usr/bin/env python3
"""Asks an agent `info` and `echo`, with nothing but Python's standard library and docs/protocol.md.

usage: ask.py IDENTITY HOST PORT AGENT_NAME
IDENTITY is the identity.pem of a controller's home: its key, its certificate and the authority's certificate.
"""

import json
import socket
import ssl
import struct
import sys


def connect(identity, host, port, agent_name):
    """A TLS 1.3 connection on which both sides have proved who they are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with open(identity, encoding="ascii") as file:
        pem = file.read()
    # The certificates follow the key.
    context.load_verify_locations(cadata=pem[pem.index("-----BEGIN CERTIFICATE") :])
    context.load_cert_chain(identity)
    context.set_alpn_protocols(["rollcall/1"])
    # The agent's identity is a URI name, which is compared below.
    context.check_hostname = False
    stream = context.wrap_socket(socket.create_connection((host, port), timeout=10))
    expected = ("URI", f"rollcall://agent/{agent_name}")
    if expected not in stream.getpeercert()["subjectAltName"]:
        raise SystemExit(f"{host}:{port} is not agent {agent_name}")
    return stream


def send(stream, head, tail=b""):
    """One frame: length, head length, head, tail."""
    head = json.dumps(head).encode()
    stream.sendall(struct.pack(">II", 4 + len(head) + len(tail), len(head)) + head + tail)


def receive(stream):
    """One frame, as (head, tail)."""
    (length,) = struct.unpack(">I", read_exactly(stream, 4))
    frame = read_exactly(stream, length)
    (head_length,) = struct.unpack(">I", frame[:4])
    return json.loads(frame[4 : 4 + head_length]), frame[4 + head_length :]


def read_exactly(stream, count):
    """So many bytes, or the end of the program."""
    got = b""
    while len(got) < count:
        more = stream.recv(count - len(got))
        if not more:
            raise SystemExit("the agent ended the connection")
        got += more
    return got


def ask(stream, number, request, words=None, tail=b""):
    """Asks and returns the answer; many requests may be in flight, but this client waits for each."""
    send(stream, {"id": number, "ask": request, "with": words or {}}, tail)
    head, tail = receive(stream)
    if "refusal" in head:
        raise SystemExit("refused: {kind}: {message}; {hint}".format(**head["refusal"]))
    if head["id"] != number:
        raise SystemExit(f"an answer to {head['id']} came, and {number} was asked")
    return head["answer"], tail


def main():
    """Asks what the machine is, and sends some bytes there and back."""
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    identity, host, port, agent_name = sys.argv[1:]
    with connect(identity, host, int(port), agent_name) as stream:
        machine, _ = ask(stream, 1, "info", {"sections": ["system", "memory"]})
        print(machine["system"]["host_name"], "runs", machine["system"]["os"])
        print(machine["memory"]["available_bytes"], "bytes of memory are available")
        payload = bytes(range(256))
        _, echoed = ask(stream, 2, "echo", tail=payload)
        print("echo:", "the same" if echoed == payload else "changed")


if __name__ == "__main__":
    main()
