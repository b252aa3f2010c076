"""The TLS of one connection in memory: bytes in, bytes out, no socket.

The TLS of asyncio and uvloop holds up to 1 MB for a client that sends and never ends its request: a quarter of it is a
fixed read buffer, the rest is unread data. Our connection holds only OpenSSL's state: we decrypt input immediately, and
pass output to the transport.
"""

import ssl
from contextlib import suppress
from typing import Final

from webhook.server.http.handshakes import CLOSED, NOTHING_CAME

# SSL_read returns at most one record, and this is the maximum size of a record (RFC 8446, 5.1).
_RECORD: Final = 16384


class TlsSession:
    """The server's side of TLS. `has_ended` is true once the client has sent close_notify.

    `handshake_failure` says why the handshake would count as failed if the connection ended now; empty if it would not.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_side=True)
        self.is_established = False
        self.has_ended = False
        self.handshake_failure = NOTHING_CAME

    def receive(self, data: bytes) -> bytes:
        """Decrypts `data`. Raises ssl.SSLError; `pending` then holds the alert for the client."""
        self._received.write(data)
        try:
            if not self.is_established:
                self.handshake_failure = CLOSED
                self._tls.do_handshake()
                self.is_established = True
                self.handshake_failure = ""
            first = self._tls.read(_RECORD)
            if not first:
                self.has_ended = True
                return b""
            if not self._received.pending and not self._tls.pending():
                return first
            return first + self._rest()
        except ssl.SSLWantReadError:
            return b""

    def _rest(self) -> bytes:
        parts = []
        try:
            while part := self._tls.read(_RECORD):
                parts.append(part)
            self.has_ended = True
        except ssl.SSLWantReadError:
            pass
        return b"".join(parts)

    def send(self, plaintext: bytes) -> bytes:
        """Encrypts `plaintext`, and returns it after the pending messages of TLS itself."""
        self._tls.write(plaintext)
        return self._to_send.read()

    @property
    def pending(self) -> bytes:
        """The pending messages of TLS itself: the handshake, answers to key updates, alerts."""
        return self._to_send.read() if self._to_send.pending else b""

    def close(self) -> bytes:
        """Returns close_notify, which tells the client that nothing was cut off."""
        if self.is_established:
            # unwrap() raises because the client has not sent its own close_notify yet; we do not wait for it.
            with suppress(ssl.SSLError):
                self._tls.unwrap()
        return self._to_send.read()
