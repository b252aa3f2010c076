"""Asks a running webhook about a review."""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import httpx

from webhook.diagnosis.answers import Answer, read_answer
from webhook.errors import SettingsError, WebhookError

_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Trust:
    """What verifies a webhook's certificate: the CA certificates in the file `ca`, in `bundle` (PEM), or the system's.

    The certificate must be valid for `server_name`; if that is empty, for the host of the URL. `bundle_of` names the
    object that `bundle` comes from.
    """

    ca: str = ""
    bundle: str = ""
    bundle_of: str = ""
    server_name: str = ""

    @property
    def source(self) -> str:
        """Where the CA certificates come from, or "" for the system's."""
        return self.bundle_of or self.ca


@contextlib.contextmanager
def webhook_at(url: str, trust: Trust) -> Iterator[Callable[[bytes], Answer]]:
    """Yields a function that asks the webhook at `url`.

    Raises SettingsError if the file with the CA certificates is not usable. The function raises WebhookError if there
    is no answer.
    """
    ca = trust.ca
    try:
        context = ssl.create_default_context(cafile=ca or None, cadata=trust.bundle or None)
    except ssl.SSLError as error:
        raise SettingsError([f"--ca: {ca!r}: holds no certificate in PEM"]) from error
    except OSError as error:
        raise SettingsError([f"--ca: {ca!r}: {error.strerror or error}"]) from error
    # httpcore passes this name to the TLS handshake instead of the URL's host, so it is also the name that is verified.
    extensions = {"sni_hostname": trust.server_name} if trust.server_name else {}

    with httpx.Client(verify=context, timeout=_TIMEOUT, trust_env=False) as client:

        def ask(body: bytes) -> Answer:
            try:
                headers = {"content-type": "application/json"}
                response = client.post(url, content=body, headers=headers, extensions=extensions)
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                raise WebhookError(f"{url}: {error or type(error).__name__}{_hint(error, trust)}") from error
            if response.status_code != 200:
                hint = " (the webhook's path is /mutate)" if response.status_code == 404 else ""
                return Answer(error=f"HTTP {response.status_code}: {response.text.strip()[:500]}{hint}")
            return read_answer(response.content, "", "")

        yield ask


def _hint(error: Exception, trust: Trust) -> str:
    """Returns a hint in brackets for errors of OpenSSL that a user may not understand, or ""."""
    said = str(error)
    if "mismatch" in said:
        what = "--server-name" if trust.server_name else "the host of --url"
        return f" (is {what} one of the names in its certificate?)"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        source = trust.source
        return f" (is {source} the CA of that webhook?)" if source else " (set --ca to the CA that verifies it)"
    if "WRONG_VERSION_NUMBER" in said:
        return " (the server does not speak HTTPS: is it the metrics port?)"
    return ""
