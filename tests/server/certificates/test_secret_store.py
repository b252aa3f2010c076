import traceback
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from certs.errors import Conflict, StoreError
from certs.stores import SecretStore, StoredSecret
from tests.cluster.api_server import Answer, Request, Step, client_of, failure
from tests.server.object_server import SECRET, SECRETS, ObjectServer
from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import ApiError, InvalidName, Unreachable
from webhook.cluster.client import KubernetesClient
from webhook.server.certificates.bundle_store import Ownership
from webhook.server.certificates.secret_store import KubernetesSecretStore

KEY = b"-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49\n"
ENCODED = b64encode(KEY).decode()
HELM = Ownership({"app.kubernetes.io/managed-by": "Helm"}, {"meta.helm.sh/release-name": "webhook"})


@asynccontextmanager
async def store_on(server: ObjectServer) -> AsyncIterator[SecretStore]:
    async with server.running(), client_of(server) as client:
        yield KubernetesSecretStore(client, "eks", "tls", lambda: HELM)


def stored(**members: Any) -> dict[str, Any]:
    return {"type": "Opaque", "metadata": {}, "data": {"tls.key": ENCODED, "mine": "eA=="}} | members


async def refusal(store: SecretStore, over: StoredSecret | None = None) -> StoreError:
    with pytest.raises(StoreError) as refused:
        await store.write({"tls.key": KEY}, over)
    return refused.value


def told(error: BaseException) -> str:
    """All that a log or a crash report can show of an error."""
    pieces = []
    at: BaseException | None = error
    while at is not None:
        pieces += [str(at), repr(at)]
        at = at.__cause__ or at.__context__
    return "\n".join([*pieces, *traceback.format_exception(error)])


def answers_with(status: int, message: str, reason: str = "Invalid") -> Any:
    async def answer(to: Answer, _body: Any) -> None:
        await to.json(status, failure(status, reason, message))

    return answer


async def test_a_secret_that_is_not_there_is_none() -> None:
    server = ObjectServer()
    async with store_on(server) as store:
        assert await store.read() is None
    assert [(one.path, one.query) for one in server.requests] == [(SECRET, {})]


async def test_reads_the_data_the_version_and_the_annotations() -> None:
    server = ObjectServer()
    server.put(SECRET, stored(metadata={"annotations": {"a": "b"}}, data={"tls.key": ENCODED, "x": "", "y": None}))
    async with store_on(server) as store:
        read = await store.read()
    assert read is not None
    assert read.data == {"tls.key": KEY, "x": b"", "y": b""}
    assert (read.resource_version, read.annotations) == ("101", {"a": "b"})
    assert "PRIVATE" not in repr(read)


async def test_a_secret_that_holds_nothing_is_read() -> None:
    server = ObjectServer()
    server.put(SECRET, {"type": "Opaque"})
    async with store_on(server) as store:
        read = await store.read()
    assert read is not None
    assert (read.data, read.annotations) == ({}, {})


async def test_a_new_secret_is_opaque_and_belongs_to_the_release() -> None:
    server = ObjectServer()
    async with store_on(server) as store:
        await store.write({"tls.key": KEY, "next-ca.key": b""}, None)
    (write,) = server.writes
    assert (write.method, write.path, write.content_type) == ("POST", SECRETS, "application/json")
    assert write.body == {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": "tls", "labels": HELM.labels, "annotations": HELM.annotations},
        "data": {"tls.key": ENCODED, "next-ca.key": ""},
    }


async def test_a_secret_that_is_there_gets_these_keys_and_nothing_else() -> None:
    server = ObjectServer()
    server.put(SECRET, stored(type="kubernetes.io/tls"))
    async with store_on(server) as store:
        await store.write({"tls.key": b"new"}, await store.read())
        (write,) = server.writes
        assert (write.method, write.path) == ("PATCH", SECRET)
        assert write.content_type == "application/strategic-merge-patch+json"
        assert write.body == {"metadata": {"resourceVersion": "101"}, "data": {"tls.key": "bmV3"}}
        assert server.data() == {"tls.key": b"new", "mine": b"x"}


async def test_who_has_not_seen_the_last_change_is_told_of_a_conflict() -> None:
    server = ObjectServer()
    server.put(SECRET, stored())
    async with store_on(server) as store:
        over = await store.read()
        assert isinstance(await refusal(store, None), Conflict)
        server.put(SECRET, stored(data={"tls.key": ENCODED}))
        assert isinstance(await refusal(store, over), Conflict)
        server.delete(SECRET)
        error = await refusal(store, over)
    assert isinstance(error, Conflict)
    assert (
        str(error) == "secrets tls in namespace eks: somebody else has changed, created or deleted it since we read it"
    )


async def test_an_immutable_secret_is_not_written_and_says_what_to_do() -> None:
    server = ObjectServer()
    server.put(SECRET, stored(immutable=True))
    async with store_on(server) as store:
        error = await refusal(store, await store.read())
    assert not server.writes
    assert not isinstance(error, Conflict)
    assert str(error) == (
        "secrets tls in namespace eks: it is immutable, so we cannot renew certificates: delete it"
        " (kubectl delete secret tls --namespace eks), and we make a new one"
    )


ECHOES = {
    "cannot parse": f'error decoding patch: v1.Secret.Data: ...|y":"{ENCODED}"|...',
    "admission webhook": f'admission webhook "x" denied the request: {{"tls.key": "{ENCODED}"}}',
    "bytes in Go": f"Invalid value: {list(KEY)}",
    "two lines": f"Invalid value:\n{KEY.decode()}",
}


@pytest.mark.parametrize(
    ("exists", "status"),
    [*((True, status) for status in (400, 403, 422, 500)), *((False, status) for status in (400, 403, 404, 422, 500))],
)
@pytest.mark.parametrize("message", ECHOES.values(), ids=ECHOES)
async def test_nothing_that_an_answer_quotes_of_a_write_is_told(message: str, status: int, *, exists: bool) -> None:
    server = ObjectServer()
    server.answers = [answers_with(status, message, reason="Invalid" if exists else message)]
    if exists:
        server.put(SECRET, stored())
    async with store_on(server) as store:
        error = await refusal(store, await store.read())
    assert not isinstance(error, Conflict)
    assert str(error).startswith(f"{'patch' if exists else 'create'} secrets tls in namespace eks: {status}")
    assert "\n" not in str(error)
    for quoted in (ENCODED, "PRIVATE", "45, 45"):
        assert quoted not in told(error)


@pytest.mark.parametrize(
    ("over", "rule"),
    [
        (None, 'verbs: ["create"] in a Role in namespace eks'),
        (StoredSecret("1"), 'verbs: ["patch"], resourceNames: ["tls"] in a Role in namespace eks'),
    ],
)
async def test_a_missing_rule_for_writing_is_named(over: StoredSecret | None, rule: str) -> None:
    server = ObjectServer()
    server.answers = [answers_with(403, "no", "Forbidden")]
    async with store_on(server) as store:
        error = await refusal(store, over)
    verb = "patch" if over else "create"
    assert str(error) == (
        f'{verb} secrets tls in namespace eks: 403 Forbidden (grant apiGroups: [""], resources: ["secrets"], '
        f"{rule};"
        " we hide the message of an admission controller, because it could quote the keys)"
    )


async def breaks_off_in_the_keys(_request: Request, answer: Answer) -> None:
    await answer.watch()
    answer._writer.write(ENCODED.encode() + b"\r\n")
    await answer._writer.drain()


def text(content: bytes) -> Step:
    async def step(_request: Request, answer: Answer) -> None:
        await answer.watch(content)
        await answer.end()

    return step


NOT_SECRETS = {
    "no base64": (text(b'{"metadata":{"resourceVersion":"1"},"data":{"tls.key":"%s*"}}' % ENCODED.encode()), "base64"),
    "no JSON": (text(b'{"metadata":' + ENCODED.encode()), "malformed"),
    "no UTF-8": (text(b'{"metadata":{"resourceVersion":"%s\xff"}}' % ENCODED.encode()), "utf-8"),
    "no version": (text(b'{"data":{"tls.key":"%s"}}' % ENCODED.encode()), "metadata"),
    "no HTTP": (breaks_off_in_the_keys, "is incomplete or not HTTP"),
}


@pytest.mark.parametrize(("step", "reason"), NOT_SECRETS.values(), ids=NOT_SECRETS)
async def test_an_answer_that_is_no_secret_is_an_error_that_quotes_nothing(step: Step, reason: str) -> None:
    server = ObjectServer()
    server.every = step
    async with store_on(server) as store:
        with pytest.raises(StoreError, match=reason) as refused:
            await store.read()
    assert "secrets tls in namespace eks" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert ENCODED[:16] not in told(refused.value)


async def test_what_the_client_says_of_reading_is_kept_and_chained() -> None:
    server = ObjectServer()

    async def forbids(_request: Request, answer: Answer) -> None:
        await answer.json(403, failure(403, "Forbidden", "not yours"))

    server.every = forbids
    async with store_on(server) as store:
        with pytest.raises(StoreError, match="get secrets tls in namespace eks: 403: not yours") as refused:
            await store.read()
        assert 'verbs: ["get"], resourceNames: ["tls"] in a Role in namespace eks' in str(refused.value)
        assert isinstance(refused.value.__cause__, ApiError)


async def test_an_api_server_that_is_not_there_is_a_chained_error_for_both() -> None:
    server = ObjectServer()
    async with server.running():
        pass
    async with client_of(server) as client:
        store = KubernetesSecretStore(client, "eks", "tls", lambda: HELM)
        with pytest.raises(StoreError, match="cannot be reached") as refused:
            await store.read()
        assert isinstance(refused.value.__cause__, Unreachable)
        error = await refusal(store)
    assert "cannot be reached" in str(error)
    assert isinstance(error.__cause__, Unreachable)


def test_a_name_that_no_secret_has_is_refused_at_once() -> None:
    client = KubernetesClient(AccessSettings())
    with pytest.raises(InvalidName, match="not an object's name"):
        KubernetesSecretStore(client, "eks", "a/b", lambda: HELM)
