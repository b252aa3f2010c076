"""The TLS of one connection, over memory: bytes in, bytes out, no socket.

asyncio's and uvloop's own TLS keep up to 1 MB for a client that sends and never ends its request: a quarter of that as
a fixed read buffer, the rest unread. Here a connection keeps OpenSSL's state and nothing else. What arrives is
decrypted at once, and what is sent belongs to the transport.
"""

import ssl
from contextlib import suppress
from typing import Final

from webhook.server.http.handshakes import CLOSED, NOTHING_CAME

# SSL_read returns one record at most, and a record holds at most so much (RFC 8446, 5.1).
_RECORD: Final = 16384


class TlsSession:
    """A server's side of TLS. `has_ended` says that the client sent close_notify.

    `handshake_failure` says why the handshake would count as failed if the connection ended now; empty if it would not.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_side=True)
        self.is_established = False
        self.has_ended = False
        self.handshake_failure = NOTHING_CAME

    def receive(self, data: bytes) -> bytes:
        """The plaintext in `data`. Raises ssl.SSLError; `pending` then holds the alert for the client."""
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
        """`plaintext`, encrypted, behind what TLS itself has to send."""
        self._tls.write(plaintext)
        return self._to_send.read()

    @property
    def pending(self) -> bytes:
        """What TLS itself has to send: its part of the handshake, answers to key updates, alerts."""
        return self._to_send.read() if self._to_send.pending else b""

    def close(self) -> bytes:
        """close_notify, for the client to know that nothing was cut off."""
        if self.is_established:
            # It complains that the client has not sent its own yet: we do not wait for that.
            with suppress(ssl.SSLError):
                self._tls.unwrap()
        return self._to_send.read()
