"""What the kernel knows of a TCP connection: how far its peer has come with reading."""

import fcntl
import socket
import sys
import termios
from typing import Final

# Of struct tcp_info, in Linux since 4.1.
_BYTES_ACKED: Final = slice(120, 128)


def unsent(conn: socket.socket) -> int:
    """Bytes in the kernel that the peer has not acknowledged (tcp(7), SIOCOUTQ)."""
    try:
        return int.from_bytes(fcntl.ioctl(conn, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError):
        return 0


def acknowledged(conn: socket.socket) -> int | None:
    """Bytes that the peer has acknowledged so far (tcp(7), TCP_INFO: tcpi_bytes_acked); None where nothing says so."""
    try:
        info = conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.stop)
    except (OSError, AttributeError):
        return None
    field = info[_BYTES_ACKED]
    return int.from_bytes(field, sys.byteorder) if len(field) == 8 else None
