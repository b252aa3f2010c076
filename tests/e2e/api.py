"""A client of the Kubernetes API for the tests: plain JSON over HTTPS, so that our client is not tested by itself."""

import json
import ssl
from collections.abc import Iterator
from typing import Any

import httpx

from tests.e2e.clients import Clients

Object = dict[str, Any]

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


class ApiError(AssertionError):
    """An answer other than 2xx: its status code and the API server's own message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Api:
    """One user's view of one API server."""

    def __init__(self, url: str, ca: str, token: str, *, timeout: float = 15.0) -> None:
        self.url = url
        context = ssl.create_default_context(cadata=ca)
        self._clients = Clients(
            lambda: httpx.Client(
                base_url=url,
                headers={"Authorization": f"Bearer {token}"},
                verify=context,
                timeout=timeout,
                trust_env=False,
            )
        )

    def close(self) -> None:
        self._clients.close()

    def call(self, method: str, path: str, body: Object | None = None, **query: Any) -> Object:
        """Sends one request and returns its JSON. Raises ApiError, or httpx.TransportError if there is no answer."""
        response = self._clients.mine.request(
            method, path, json=body, params=query, headers=MERGE_PATCH if method == "PATCH" else None
        )
        if not response.is_success:
            raise ApiError(response.status_code, _message(response))
        answer: Object = response.json()
        return answer

    def get(self, path: str, **query: Any) -> Object:
        return self.call("GET", path, **query)

    def create(self, path: str, body: Object, **query: Any) -> Object:
        return self.call("POST", path, body, **query)

    def ensure(self, path: str, body: Object) -> None:
        """Creates the object unless there is one of its name: the cluster creates some by itself."""
        try:
            self.create(path, body)
        except ApiError as error:
            if error.code != 409:
                raise

    def patch(self, path: str, body: Object) -> Object:
        """Applies a JSON merge patch; null removes a member."""
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> Object:
        return self.call("DELETE", path, {"gracePeriodSeconds": 0})

    def is_ok(self, path: str) -> bool:
        """Whether the path answers 200 within a second."""
        try:
            return self._clients.mine.get(path, timeout=1.0).status_code == 200
        except httpx.TransportError:
            return False

    def watch(self, path: str, *, within: float = 15.0, **query: Any) -> Iterator[Object]:
        """Yields a watch's events as they arrive, until the server ends it or sends nothing for `within` seconds."""
        with self._clients.mine.stream("GET", path, params={"watch": "1", **query}, timeout=within) as response:
            if not response.is_success:
                response.read()
                raise ApiError(response.status_code, _message(response))
            for line in response.iter_lines():
                yield json.loads(line)


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text
