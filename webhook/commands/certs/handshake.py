"""Fetches the leaf of a TLS server, and checks with handshakes whether the API server would accept it."""

import socket
import ssl
from collections.abc import Iterable
from typing import Final

from certs.errors import InvalidPair
from certs.pem import canonical
from webhook.commands.certs.facts import Served
from webhook.errors import WebhookError

_SECONDS: Final = 5.0
# By OpenSSL's X509_V_ERR_… codes whose messages are hard to understand.
_REASONS: Final = {
    18: "it is self-signed, and not in the caBundle",
    19: "no CA in the caBundle has signed it",
    20: "no CA in the caBundle has signed it",
    21: "no CA in the caBundle has signed it",
}


class NotServed(WebhookError):
    """No TLS server answers at the address."""


def ask(host: str, port: int, server_name: str, bundles: Iterable[tuple[bytes, ...]]) -> Served:
    """Returns the leaf that the server presents for `server_name`, and whether each of `bundles` verifies it.

    Does not compare names. Each handshake takes at most 5 s, and may reach another replica. Raises NotServed.
    """
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    leaf = _handshake(unverified, host, port, server_name)
    return Served(leaf, {bundle: _refusal(host, port, server_name, bundle) for bundle in set(bundles) if bundle})


def _refusal(host: str, port: int, server_name: str, bundle: tuple[bytes, ...]) -> str:
    # Verify as Go does: each certificate in the bundle is a root, and rules of RFC 5280 that Go ignores do not apply.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=b"".join(bundle).decode("ascii"))
    try:
        _handshake(context, host, port, server_name)
    except ssl.SSLCertVerificationError as error:
        return _REASONS.get(error.verify_code, error.verify_message)
    return ""


def _handshake(context: ssl.SSLContext, host: str, port: int, server_name: str) -> bytes:
    """Returns the certificate that the server presents. Raises NotServed, or SSLCertVerificationError."""
    try:
        with (
            socket.create_connection((host, port), timeout=_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=server_name) as tls,
        ):
            return canonical(ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"").encode())
    except ssl.SSLCertVerificationError:
        raise
    except TimeoutError as error:
        raise NotServed(f"no answer within {_SECONDS:.0f} s") from error
    except ssl.SSLError as error:
        raise NotServed(f"the TLS handshake failed: {error.reason or error}") from error
    except (OSError, InvalidPair, UnicodeError) as error:
        raise NotServed(getattr(error, "strerror", None) or str(error)) from error
