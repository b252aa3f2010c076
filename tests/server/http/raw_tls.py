"""A TLS client whose input the test makes: it passes records itself, so it can forge one."""

import socket
import ssl
from contextlib import suppress


def has_answer(tls: ssl.SSLObject) -> bool:
    """Whether a response has arrived."""
    with suppress(ssl.SSLWantReadError):
        return tls.read(65536).startswith(b"HTTP/1.1 200 ")
    return False


def established(
    port: int, context: ssl.SSLContext
) -> tuple[socket.socket, ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """A client with a finished handshake, in whose input the test can put what it likes."""
    conn = socket.create_connection(("127.0.0.1", port), timeout=10)
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(received, to_send, server_hostname="127.0.0.1")
    while not is_done(tls):
        conn.sendall(to_send.read())
        received.write(conn.recv(65536))
    conn.sendall(to_send.read())
    return conn, tls, received, to_send


def is_done(tls: ssl.SSLObject) -> bool:
    """Goes on with a handshake; whether it has ended."""
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
