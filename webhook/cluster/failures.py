"""Turns failed connections and refusals of the API server into our errors, with advice."""

import re
from collections.abc import Mapping

import aiohttp
import msgspec

from webhook.cluster.api_errors import ApiError, NotAnApiServer, TimedOut, Unreachable
from webhook.cluster.decoding import UNDECODABLE
from webhook.cluster.resource import NonResource, PodPort, Resource
from webhook.cluster.status import Status, status_error


def without_password(url: str) -> str:
    """Returns the URL as an error may show it."""
    return re.sub(r"//[^/?#]*@", "//", url)


def connection_error(error: Exception, host: str) -> Unreachable:
    """Returns the error for one of aiohttp's, or an OSError, in a request to the API server at `host`."""
    if isinstance(error, TimeoutError):
        return TimedOut(f"the API server at {host} does not answer in time")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
        advice = "check certificate-authority in the kubeconfig, and that its server is the right one"
        return Unreachable(f"the API server at {host} has a certificate that does not verify: {why} ({advice})")
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
        return Unreachable(f"the API server at {host} cannot be reached: {error.strerror or error}")
    return Unreachable(f"the API server at {host} cannot be reached: {error or type(error).__name__}")


def answer_error(
    response: aiohttp.ClientResponse,
    body: bytes,
    verb: str,
    resource: Resource | NonResource | PodPort,
    params: Mapping[str, str],
) -> ApiError | NotAnApiServer:
    """Returns the error for an answer other than 2xx, with the rule to grant if it is a lack of rights."""
    if response.status == 404 and body.lstrip().startswith(b"<"):
        # A web server's page about a missing file does not say that an object is missing.
        what = "404 with a page of HTML or XML"
        return NotAnApiServer(f"{verb} {resource}: what answers is no Kubernetes API server: {what}")
    try:
        status = msgspec.json.decode(body, type=Status)
    except UNDECODABLE:
        status = Status(reason=response.reason, message=body[:200].decode("ascii", "replace") or response.reason)
    seconds = response.headers.get("Retry-After", "")
    retry_after = float(seconds) if seconds.isascii() and seconds.isdigit() else 0.0
    error = status_error(status, f"{verb} {resource}", response.status, retry_after)
    if error.status == 401:
        advice = "the API server refuses our credentials: check that they belong to this cluster and have not expired"
    elif error.status == 403:
        name = params.get("fieldSelector", "").removeprefix("metadata.name=")
        advice = f"grant {resource.rule(verb, name)}"
    else:
        return error
    return ApiError(error.status, error.reason, f"{error} ({advice})", error.retry_after)
