"""ServiceAccounts that a store reads from manifests at the start."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from webhook.admission.identity import ServiceAccount
from webhook.admission.settings import Settings
from webhook.errors import ManifestError
from webhook.manifests.accounts import ManifestAccounts, service_account
from webhook.manifests.documents import Document

if TYPE_CHECKING:
    from webhook.cluster.store import ServiceAccountStore
from tests.manifests.account_files import ARN, SETTINGS, account, role_of, settled, warnings, write


async def test_a_store_of_manifests_is_a_service_account_store(file: Path) -> None:
    write(file, account("app", "a"))
    store: ServiceAccountStore = ManifestAccounts(file, SETTINGS)
    expected = ServiceAccount("shop", "app", {"role-arn": ARN + "a"})
    assert store.get("shop", "app") == expected
    assert await store.lookup("shop", "app") == expected
    assert store.get("shop", "none") is None
    assert await store.lookup("shop", "none") is None
    assert store.get("other", "app") is None
    assert len(store.mapping) == 0


def test_the_annotation_prefix_is_that_of_the_settings(file: Path) -> None:
    write(file, "{apiVersion: v1, kind: ServiceAccount, metadata: {name: app, annotations: {my.org/role-arn: x}}}")
    store = ManifestAccounts(file, Settings(annotation_prefix="my.org"))
    assert store.get("default", "app") == ServiceAccount("default", "app", {"role-arn": "x"})


def test_an_account_without_a_namespace_is_in_default(file: Path) -> None:
    write(file, account("app", "a", namespace=None))
    assert role_of(ManifestAccounts(file, SETTINGS), "app", "default") == "a"


def test_all_manifests_of_a_folder_count_and_other_kinds_do_not(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", account("one", "1") + account("two", "2"))
    write(tmp_path / "b.yaml", "apiVersion: x.io/v1\nkind: ServiceAccount\n---\napiVersion: v1\nkind: Service\n")
    write(tmp_path / "c.yaml", "{apiVersion: v1, kind: ServiceAccountList, items: [{metadata: {name: three}}]}")
    write(tmp_path / "notes.txt", "[")
    store = ManifestAccounts(tmp_path, SETTINGS)
    assert (store.account_count, role_of(store, "one"), role_of(store, "two")) == (3, "1", "2")
    assert store.get("default", "three") == ServiceAccount("default", "three", {})


def test_of_two_accounts_of_one_name_the_last_wins_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "a.yaml", account("app", "old"))
    write(tmp_path / "b.yaml", account("app", "new"))
    store = ManifestAccounts(tmp_path, SETTINGS)
    assert role_of(store, "app") == "new"
    assert warnings(caplog) == [
        f"{tmp_path}/b.yaml, line 1: ServiceAccount shop/app: it replaces that of {tmp_path}/a.yaml, line 1"
    ]


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        (None, "metadata.name: missing"),
        ({}, "metadata.name: missing"),
        ({"generateName": "x-"}, "metadata.name: missing"),
        ({"name": 1}, "metadata.name: expected a string, got a number"),
        ({"name": "App"}, "metadata.name: 'App' is not a DNS-1123 subdomain"),
        ({"name": "app", "namespace": "a.b"}, "metadata.namespace: 'a.b' is not a DNS-1123 label"),
        ({"name": "app", "namespace": True}, "metadata.namespace: expected a string, got a boolean"),
        ("x", "metadata: expected an object, got a string"),
        ({"name": "app", "annotations": ["x"]}, "metadata.annotations: expected an object, got a list"),
        (
            {"name": "app", "annotations": {"a": "x", "b/c": 3600}},
            "metadata.annotations[b/c]: expected a string, got a number (put it in quotes)",
        ),
        (
            {"name": "app", "annotations": {"a": True}},
            "metadata.annotations[a]: expected a string, got a boolean (put it in quotes)",
        ),
        ({"name": "app", "annotations": {"a": None}}, "metadata.annotations[a]: expected a string, got nothing"),
        ({"name": "app", "annotations": {"a": {}}}, "metadata.annotations[a]: expected a string, got an object"),
    ],
)
def test_an_invalid_account_is_an_error_with_its_place(file: Path, metadata: Any, problem: str) -> None:
    write(file, account("good", "a") + json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
    with pytest.raises(ManifestError) as raised:
        ManifestAccounts(file, SETTINGS)
    assert str(raised.value) == f"{file}, line 2: {problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 'b\nc: 1", "line 1: not YAML: found unexpected end of stream while scanning a quoted scalar"),
        ("metadata: {name: app}", "line 1: kind: missing"),
        ("- a", "line 1: expected an object, got a list"),
    ],
)
def test_the_constructor_raises_if_the_manifests_are_bad(file: Path, text: str, problem: str) -> None:
    write(file, text)
    with pytest.raises(ManifestError) as raised:
        ManifestAccounts(file, SETTINGS)
    assert str(raised.value) == f"{file}, {problem}"


def test_an_empty_file_counts_as_incomplete(file: Path) -> None:
    write(file, "")
    with pytest.raises(ManifestError) as raised:
        ManifestAccounts(file, SETTINGS)
    assert str(raised.value) == f"{file}: is empty: is somebody still writing it?"


def test_a_missing_path_is_an_error_at_start(file: Path) -> None:
    with pytest.raises(ManifestError) as raised:
        ManifestAccounts(file, SETTINGS)
    assert str(raised.value) == f"{file}: No such file or directory"


def test_a_folder_without_manifests_is_fine(tmp_path: Path) -> None:
    store = ManifestAccounts(tmp_path, SETTINGS)
    assert store.account_count == 0
    write(tmp_path / "a.yaml", "# none any more\n")
    assert settled(store)
    assert ManifestAccounts(Path("/dev/null"), SETTINGS).account_count == 0


def test_all_accounts_can_be_listed(file: Path) -> None:
    write(file, account("one", "1") + account("two", "2"))
    store = ManifestAccounts(file, SETTINGS)
    assert [found.name for found in store.accounts()] == ["one", "two"]


def test_an_account_without_a_namespace_gets_the_given_one() -> None:
    document = Document({"metadata": {"name": "app"}}, "-", 1)
    assert service_account(document, SETTINGS, "team") == ServiceAccount("team", "app", {})
