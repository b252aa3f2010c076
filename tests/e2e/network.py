"""Gives each cluster its own addresses: every address in 127/8 is this machine, so each cluster takes a /16 of it.

With a /16, tests need not search for free ports: the API server uses :6443 and the webhook :443 as in production, also
after a restart, and the clusters of parallel runs do not collide.
"""

import errno
import socket
from dataclasses import dataclass, field

# Above Linux's ephemeral ports (net.ipv4.ip_local_port_range); none of our programs listens there.
_CLAIM_PORT = 61443


@dataclass(frozen=True)
class LoopbackNetwork:
    """`127.NUMBER.0.0/16`, claimed until `release` or the end of this process."""

    number: int
    _claim: socket.socket = field(repr=False)

    @classmethod
    def claim(cls) -> "LoopbackNetwork":
        """Claims the first free network."""
        for number in range(64, 128):
            claim = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                claim.bind((f"127.{number}.0.1", _CLAIM_PORT))
            except OSError as error:
                claim.close()
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return cls(number, claim)
        raise AssertionError("all networks 127.64.0.0/16 to 127.127.0.0/16 are taken by other clusters")

    @property
    def server(self) -> str:
        """The address of etcd and the API server."""
        return f"127.{self.number}.0.1"

    @property
    def services(self) -> str:
        """The range of the ClusterIPs."""
        return f"127.{self.number}.1.0/24"

    def release(self) -> None:
        self._claim.close()
