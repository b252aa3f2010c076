"""Says in one line why a connection failed: name, port, TLS, certificate, or an answer that is not HTTP."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Final, TypeVar

import httpx
from cryptography import x509

from webhook.issuer.check import listed
from webhook.issuer.fetched import Problem, Stage
from webhook.issuer.issuer_url import Address

_Error = TypeVar("_Error", bound=BaseException)

# OpenSSL's X509_V_ERR_… codes.
_EXPIRED: Final = frozenset({9, 10})
_UNTRUSTED: Final = frozenset({18, 19, 20, 21})
_OTHER_NAME: Final = frozenset({62, 64})
# What OpenSSL's versions call an answer that does not begin as TLS does.
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"})


async def connection_problem(
    error: Exception, stage: Stage, address: Address | None, target: tuple[str, int], seconds: float
) -> Problem:
    """Returns the problem behind `error`, which ended a fetch at `stage`.

    If the certificate has other names, connects to `target` once more, for at most `seconds`, to say which.
    """
    if refused := _caused_by(error, ssl.SSLCertVerificationError):
        return await _certificate_problem(refused, address, target, seconds)
    where = f"{target[0]}:{target[1]}"
    if stage == "connection":
        return _unconnected(error, where)
    if stage == "tls":
        failure = _caused_by(error, ssl.SSLError)
        reason = (failure.reason or "") if failure is not None else ""
        if reason in _NOT_TLS:
            return Problem("tls", f"{where} answers, but not with TLS: plain HTTP?", "Serve HTTPS at this port.")
        said = reason.replace("_", " ").lower() or "the server closed the connection"
        return Problem("tls", f"the TLS handshake failed: {said}", "Serve HTTPS, with TLS 1.2 or newer.")
    if isinstance(error, httpx.InvalidURL):
        return Problem("connection", "it is not a URL that can be fetched", "Correct the URL.")
    if isinstance(error, httpx.RemoteProtocolError):
        return Problem(
            "answer", "the server closed the connection early, or its answer is not HTTP", "See the log of the server."
        )
    return Problem("answer", f"the connection broke: {_said(error)}", "See the log of the server.")


def _unconnected(error: Exception, where: str) -> Problem:
    if isinstance(error, httpx.InvalidURL):
        return Problem("connection", "it is not a URL that can be fetched", "Correct the URL.")
    if _caused_by(error, socket.gaierror):
        host = where.rpartition(":")[0]
        return Problem("connection", f"the name {host} does not resolve", "Create its DNS record, or correct the URL.")
    if _caused_by(error, ConnectionRefusedError):
        return Problem("connection", f"{where} refuses the connection", "Start the server, or correct the URL.")
    return Problem(
        "connection", f"{where} cannot be reached: {_said(error)}", "Check the network, and the address of the name."
    )


async def _certificate_problem(
    error: ssl.SSLCertVerificationError, address: Address | None, target: tuple[str, int], seconds: float
) -> Problem:
    host = address.host if address is not None else target[0]
    if error.verify_code in _OTHER_NAME:
        names = await _names_served(host, target, seconds)
        said = f": it is for {listed(names)}" if names else ""
        return Problem(
            "tls",
            f"the certificate is not valid for {host}{said}",
            f"Serve a certificate that has the name {host}.",
        )
    if error.verify_code in _UNTRUSTED:
        return Problem(
            "tls",
            "no trusted CA signed the certificate, or the server does not send the intermediate certificate",
            "Serve the whole chain of a public CA; for a CA of your own, use --ca-file here and its thumbprint in IAM.",
        )
    if error.verify_code in _EXPIRED:
        message = "the certificate is not valid yet" if error.verify_code == 9 else "the certificate has expired"
        return Problem("tls", message, "Renew the certificate, and check the clock of this machine.")
    return Problem("tls", f"the certificate is not valid: {error.verify_message}", "Serve a valid certificate.")


async def _names_served(host: str, target: tuple[str, int], seconds: float) -> list[str]:
    """Returns the names in the certificate that `target` presents for `host`; none if they cannot be had."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    der = b""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(*target, ssl=unverified, server_hostname=host)
            der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
            writer.close()
            await writer.wait_closed()
    try:
        extension = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return []
    names = extension.value
    return [
        *names.get_values_for_type(x509.DNSName),
        *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    ]


def _caused_by(error: BaseException, kind: type[_Error]) -> _Error | None:
    return next((cause for cause in _causes(error) if isinstance(cause, kind)), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yields the error and everything that caused it: httpx wraps the errors of sockets several times."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [next_one for next_one in (cause.__cause__, cause.__context__) if next_one is not None]
        if isinstance(cause, BaseExceptionGroup):
            waiting += cause.exceptions


def _said(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return str(error) or type(error).__name__
