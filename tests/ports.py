"""Ports for what is told one before it binds it, such as another program, or a server that starts twice."""

from __future__ import annotations

import random
import socket

_PORTS = range(20_000, 32_000)
"""Below those that systems give to who takes any, from 32768 on: nobody gets one in between by chance."""


def port_to_tell() -> int:
    """One that is free, for UDP and TCP."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        ):
            try:
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
