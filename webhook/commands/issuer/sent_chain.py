"""Asks a TLS server for the chain of certificates that it sends.

Python's ssl shows it from 3.13 on; before, only the leaf is public, so we ask `openssl s_client`.
"""

import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from webhook.errors import WebhookError

_SECONDS: Final = 10.0
_MAX_OUTPUT: Final = 1024 * 1024
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


def sent_chain(
    host: str, target: tuple[str, int], context: ssl.SSLContext, environ: Mapping[str, str]
) -> tuple[bytes, ...]:
    """Returns the certificates (DER) that `target` sends for `host`, its leaf first, after `context` has verified it.

    Raises WebhookError if the server cannot be reached or verified within 10 s.
    """
    address = f"[{target[0]}]:{target[1]}" if ":" in target[0] else f"{target[0]}:{target[1]}"
    try:
        with (
            socket.create_connection(target, timeout=_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host) as tls,
        ):
            leaf = tls.getpeercert(binary_form=True) or b""
            chain: tuple[bytes, ...] = ()
            if sys.version_info >= (3, 13):
                chain = tuple(tls.get_unverified_chain())
    except ssl.SSLCertVerificationError as error:
        raise WebhookError(f"{address}: its certificate is not verified: {error.verify_message}") from error
    except TimeoutError as error:
        raise WebhookError(f"{address}: no TLS handshake within {_SECONDS:.0f} s") from error
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise WebhookError(f"{address}: {reason}") from error
    if chain:
        return chain
    chain = _chain_by_openssl(host, address, environ)
    if chain[0] != leaf:
        raise WebhookError(f"{address}: it sends different certificates at each call; ask again")
    return chain


def _chain_by_openssl(host: str, address: str, environ: Mapping[str, str]) -> tuple[bytes, ...]:
    openssl = shutil.which("openssl", path=environ.get("PATH", ""))
    if openssl is None:
        raise WebhookError(
            "the chain of a server can be read with Python 3.13 or newer, or with openssl, and there is neither: "
            "install openssl, or run the webhook's image"
        )
    try:
        done = subprocess.run(  # noqa: S603 - argv is no shell's, and the host is a checked name
            [openssl, "s_client", "-showcerts", "-servername", host, "-connect", address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WebhookError(f"{address}: openssl gets no answer within {_SECONDS:.0f} s") from error
    except OSError as error:
        raise WebhookError(f"{openssl}: {error.strerror or error}") from error
    found = _CERTIFICATE.findall(done.stdout[:_MAX_OUTPUT])
    if not found:
        raise WebhookError(f"{address}: openssl s_client shows no certificate")
    return tuple(ssl.PEM_cert_to_DER_cert(pem.decode("ascii")) for pem in found)
