"""Decodes what the API server answered to a read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from webhook.cluster.api_errors import MalformedAnswer
from webhook.cluster.resource import Resource

UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises if a body is not JSON, or of wrong types, or not UTF-8, or nested too deeply."""


@contextmanager
def decoding(resource: Resource) -> Iterator[None]:
    """Turns the errors of decoding the answer about `resource` into MalformedAnswer."""
    try:
        yield
    except RecursionError as error:
        raise MalformedAnswer(f"get {resource}: it is nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedAnswer(f"get {resource}: {error}") from error
