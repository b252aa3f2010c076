"""Failed TLS handshakes: counted, and logged with the alert that the client sent and what it may mean.

An API server that does not trust our certificate tells nobody but us: by the alert with which it ends the handshake.
"""

import logging
import re
import ssl
from dataclasses import dataclass
from typing import Any, Final

from webhook.server.logs import FIELDS

NOTHING_CAME: Final = "the client sent nothing"
CLOSED: Final = "the connection ended before the handshake did"
TOOK_TOO_LONG: Final = "it took too long"

_PAUSE: Final = 60.0  # seconds between two lines about the same failure

# OpenSSL's names for alerts that came: "TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE".
_ALERT: Final = re.compile(r"(?:SSL|TLS)V\w*?_ALERT_(?P<alert>\w+)")
_ACRONYMS: Final = {"ca": "CA"}

_UNTRUSTED: Final = (
    "the client, most likely the API server, does not trust our certificate: is the caBundle right, and is the "
    "certificate valid for the Service's name?"
)
_UNTRUSTED_BY_ANOTHER: Final = (
    "a client does not trust our certificate: does it have the right CA? It is not the API server, which says 'bad "
    "certificate'"
)
_MEANINGS: Final = {
    # Go's TLS, so the API server too, sends "bad certificate" whatever it dislikes; OpenSSL says it more precisely.
    "bad certificate": _UNTRUSTED,
    "unknown CA": _UNTRUSTED_BY_ANOTHER,
    "certificate unknown": _UNTRUSTED_BY_ANOTHER,
    "certificate expired": "our certificate has expired, or the client's clock is wrong",
    "HTTP_REQUEST": "the client speaks HTTP without TLS",
    "UNSUPPORTED_PROTOCOL": "the client's TLS version is below --tls-min-version",
    "NO_SHARED_CIPHER": "the client has none of our cipher suites (--tls-cipher-suites)",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "--client-ca asks for a client certificate, and the client has none",
    "CERTIFICATE_VERIFY_FAILED": "the client's certificate does not come from --client-ca, or it has expired",
}

logger = logging.getLogger(__name__)


def failure_of(error: ssl.SSLError) -> str:
    """Returns what ended a handshake, in a few words: the client's alert ("unknown CA"), or OpenSSL's name for it."""
    if isinstance(error, ssl.SSLZeroReturnError):
        return CLOSED
    name = error.reason or "TLS error"
    alert = _ALERT.fullmatch(name)
    if alert is None:
        return name
    return " ".join(_ACRONYMS.get(word, word) for word in alert["alert"].lower().split("_"))


@dataclass
class _Logged:
    """When the last line about a failure was written, in the loop's time, and how many were left out since."""

    at: float
    left_out: int = 0


class Handshakes:
    """Counts the connections of a listener that ended in their handshake, and logs one a minute for each failure."""

    def __init__(self) -> None:
        self.failed = 0
        # OpenSSL has a few dozen names, so no client can make this grow.
        self._logged: dict[str, _Logged] = {}

    def note_failure(self, failure: str, peer: Any, now: float) -> None:
        """Counts a failure and logs it. `peer` is the client's socket address, `now` the loop's time."""
        self.failed += 1
        if failure == NOTHING_CAME:
            # A TCP probe, or a scan of ports.
            logger.debug("TLS handshake failed: %s", failure)
            return
        logged = self._logged.get(failure)
        if logged is not None and now - logged.at < _PAUSE:
            logged.left_out += 1
            return
        self._logged[failure] = _Logged(now)
        meaning = _MEANINGS.get(failure)
        fields = {"failure": failure, "peer": _shown(peer), "left_out": logged.left_out if logged is not None else 0}
        logger.warning("TLS handshake failed: %s%s", failure, f"; {meaning}" if meaning else "", extra={FIELDS: fields})


def _shown(peer: Any) -> str:
    """Returns an address of either family as `host:port`, with IPv6 in brackets."""
    host, port = peer[:2]
    # An IPv4 client of a listener for both families.
    host = host.removeprefix("::ffff:")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
