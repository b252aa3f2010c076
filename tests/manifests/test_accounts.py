import itertools
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from webhook.admission.identity import ServiceAccount
from webhook.admission.settings import Settings
from webhook.errors import ManifestError
from webhook.manifests.accounts import ManifestAccounts, role_mapping, service_account
from webhook.manifests.documents import Document

if TYPE_CHECKING:
    from webhook.cluster.store import ServiceAccountStore

SETTINGS = Settings()
CONFIG_MAP = ("eks", "pod-identity-webhook")
ARN = "arn:aws:iam::123456789012:role/"

_TIMES = itertools.count(1_700_000_000)


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="webhook.manifests.accounts")


def write(path: Path, text: str) -> None:
    """Writes in place, with a new modification time each time, even if the file system's clock is coarse."""
    path.write_text(text)
    time = next(_TIMES)
    os.utime(path, (time, time))


def account(name: str, role: str, namespace: str | None = "shop") -> str:
    metadata = {"name": name, "annotations": {"eks.amazonaws.com/role-arn": ARN + role, "other": "x"}}
    if namespace:
        metadata["namespace"] = namespace
    return json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}) + "\n"


def config_map(config: object, name: str = CONFIG_MAP[1]) -> str:
    config = config if isinstance(config, str) else json.dumps(config)
    metadata = {"name": name, "namespace": CONFIG_MAP[0]}
    return (
        json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config": config}}) + "\n"
    )


def role_of(store: ManifestAccounts, name: str, namespace: str = "shop") -> str | None:
    found = store.get(namespace, name)
    return found.annotations["role-arn"].removeprefix(ARN) if found else None


def mapped(store: ManifestAccounts, namespace: str, name: str) -> str | None:
    found = store.mapping.find(namespace, name)
    return found.role_arn.removeprefix(ARN) if found else None


def settled(store: ManifestAccounts) -> bool:
    """Checks twice: the first check finds the change, and the second one loads it because it has settled."""
    assert not store.check()
    return store.check()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "accounts.yaml"


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


def test_nothing_is_read_again_without_a_change(file: Path) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    assert not any(store.check() for _ in range(3))
    assert (store.reloads, store.failures, store.last_error) == (0, 0, "")


def test_a_change_is_loaded_once_it_has_settled(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    write(file, account("app", "half written"))
    assert not store.check()
    write(file, account("app", "b") + account("new", "c"))
    assert not store.check()
    assert role_of(store, "app") == "a"
    assert store.check()
    assert (role_of(store, "app"), role_of(store, "new")) == ("b", "c")
    assert not store.check()
    assert (store.reloads, store.failures, store.last_error) == (1, 0, "")
    assert caplog.messages == [
        f"{file}: 1 ServiceAccounts, 1 of them with a role, 0 role mappings",
        f"{file}: read again: 2 ServiceAccounts, 2 of them with a role, 0 role mappings",
    ]


def _rename(folder: Path) -> None:
    write(folder / "new.tmp", account("app", "b"))
    (folder / "new.tmp").replace(folder / "a.yaml")


@pytest.mark.parametrize(
    ("change", "roles"),
    [
        (lambda folder: write(folder / "a.yaml", account("app", "b")), ["b", None]),
        (_rename, ["b", None]),
        (lambda folder: write(folder / "b.yaml", account("new", "n")), ["a", "n"]),
        (lambda folder: (folder / "a.yaml").unlink(), [None, None]),
        (lambda folder: (folder / "a.yaml").rename(folder / ".a.yaml"), [None, None]),
        (lambda folder: (folder / "z.yaml").symlink_to(".outside"), ["a", "o"]),
    ],
    ids=["written", "replaced", "added", "removed", "hidden", "linked"],
)
def test_every_way_of_changing_a_folder_is_noticed(
    tmp_path: Path, change: Callable[[Path], object], roles: list[str | None]
) -> None:
    write(tmp_path / "a.yaml", account("app", "a"))
    write(tmp_path / ".outside", account("new", "o"))
    store = ManifestAccounts(tmp_path, SETTINGS)
    change(tmp_path)
    assert settled(store)
    assert [role_of(store, "app"), role_of(store, "new")] == roles


def test_a_replacement_of_the_same_size_and_time_is_noticed(file: Path) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    before = file.stat()
    other = file.with_name("other")
    other.write_text(account("app", "b"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert settled(store)
    assert role_of(store, "app") == "b"


@pytest.mark.parametrize("is_folder", [True, False])
def test_the_swap_of_a_mounted_config_map_is_noticed(tmp_path: Path, is_folder: bool) -> None:
    """The kubelet links files to ..data, links that to a dated folder, and replaces the link by a rename."""

    def publish(version: str, text: str) -> None:
        (tmp_path / version).mkdir()
        # The new files may have the same times as the old ones.
        (tmp_path / version / "sa.yaml").write_text(text)
        os.utime(tmp_path / version / "sa.yaml", (1_600_000_000, 1_600_000_000))
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    publish("..2024_01", account("app", "a"))
    (tmp_path / "sa.yaml").symlink_to("..data/sa.yaml")
    store = ManifestAccounts(tmp_path if is_folder else tmp_path / "sa.yaml", SETTINGS)
    assert role_of(store, "app") == "a"
    publish("..2024_02", account("app", "b"))
    (tmp_path / "..2024_01" / "sa.yaml").unlink()
    assert settled(store)
    assert (store.account_count, role_of(store, "app")) == (1, "b")
    assert not store.check()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (account("new", "n") + "{", "line 2: not JSON: Expecting property name enclosed in double quotes (column 2)"),
        (account("new", "n") + "{}", "line 2: kind: missing"),
        ('{"apiVersion": "v1", "kind": "ServiceAccount"}', "line 1: metadata.name: missing"),
    ],
)
def test_a_bad_file_keeps_the_last_good_state_and_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, problem: str
) -> None:
    write(tmp_path / "a.yaml", account("app", "a"))
    write(tmp_path / "b.json", account("other", "o"))
    store = ManifestAccounts(tmp_path, SETTINGS)
    write(tmp_path / "a.yaml", account("app", "b"))
    write(tmp_path / "b.json", text)
    assert not settled(store)
    assert not store.check()
    assert [role_of(store, name) for name in ("app", "other", "new")] == ["a", "o", None]
    assert store.last_error == f"{tmp_path}/b.json, {problem}"
    assert (store.reloads, store.failures) == (0, 1)
    assert warnings(caplog) == [f"{tmp_path}/b.json, {problem}; the old manifests stay in use"]

    write(tmp_path / "b.json", text + " ")
    assert not settled(store)
    assert store.failures == len(warnings(caplog)) == 2

    write(tmp_path / "b.json", account("other", "p"))
    assert settled(store)
    assert [role_of(store, name) for name in ("app", "other")] == ["b", "p"]
    assert (store.reloads, store.failures, store.last_error) == (1, 2, "")


def test_a_bad_file_is_not_read_again_until_it_changes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    write(file, "{}")
    assert not settled(store)

    def fail(*_: object) -> None:
        pytest.fail("it was read")

    monkeypatch.setattr(Path, "open", fail)
    assert not store.check()
    assert store.last_error == f"{file}, line 1: kind: missing"


def test_an_emptied_file_keeps_the_last_good_state(file: Path) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    write(file, "")
    assert not settled(store)
    assert role_of(store, "app") == "a"
    assert store.last_error == f"{file}: is empty: is somebody still writing it?"


def test_a_path_that_disappears_keeps_the_last_good_state_until_it_is_back(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    file.rename(file.with_name("away"))
    assert not settled(store)
    assert not store.check()
    assert role_of(store, "app") == "a"
    assert (store.last_error, store.failures) == (f"{file}: No such file or directory", 1)
    assert len(warnings(caplog)) == 1
    file.with_name("away").rename(file)
    assert settled(store)
    assert store.last_error == ""


def test_a_file_is_read_again_after_an_error_of_the_system_even_if_unchanged(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(file, account("app", "a"))
    store = ManifestAccounts(file, SETTINGS)
    write(file, account("app", "b"))

    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        assert not settled(store)
        assert not store.check()
    assert (role_of(store, "app"), store.failures, len(warnings(caplog))) == ("a", 1, 1)
    assert store.check()
    assert (role_of(store, "app"), store.last_error) == ("b", "")
    assert not store.check()


MAPPING = {"shop/app": {"RoleARN": ARN + "m"}}


def test_mappings_come_from_the_config_map_that_is_named(file: Path) -> None:
    write(file, config_map({"shop/other": {"RoleARN": ARN + "x"}}, "another") + config_map(MAPPING))
    store = ManifestAccounts(file, SETTINGS, CONFIG_MAP)
    assert (mapped(store, "shop", "app"), mapped(store, "shop", "other")) == ("m", None)
    assert len(ManifestAccounts(file, SETTINGS).mapping) == 0


def test_a_config_map_without_a_mapping_has_none(file: Path) -> None:
    write(file, "{apiVersion: v1, kind: ConfigMap, metadata: {name: pod-identity-webhook, namespace: eks}}")
    assert len(ManifestAccounts(file, SETTINGS, CONFIG_MAP).mapping) == 0


def test_of_two_config_maps_the_last_wins_with_a_warning(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(file, config_map("[") + config_map(MAPPING))
    store = ManifestAccounts(file, SETTINGS, CONFIG_MAP)
    assert mapped(store, "shop", "app") == "m"
    assert warnings(caplog) == [
        f"{file}, line 2: ConfigMap eks/pod-identity-webhook: it replaces that of {file}, line 1"
    ]


def test_manifests_without_accounts_and_mappings_cause_a_warning(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(file, "{apiVersion: v1, kind: Secret, metadata: {name: x}}")
    ManifestAccounts(file, SETTINGS, CONFIG_MAP)
    assert warnings(caplog) == [f"{file}: 0 ServiceAccounts, 0 of them with a role, 0 role mappings"]


def test_a_bad_entry_is_skipped_and_named(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(file, config_map({**MAPPING, "no-slash": {}}))
    store = ManifestAccounts(file, SETTINGS, CONFIG_MAP)
    assert mapped(store, "shop", "app") == "m"
    (problem,) = store.mapping_problems
    assert problem.startswith(f"{file}, line 1: data.config: entry 'no-slash' skipped: ")
    assert warnings(caplog) == [problem]
    assert store.last_error == ""

    write(file, config_map(MAPPING))
    assert settled(store)
    assert store.mapping_problems == []


def test_a_removed_config_map_means_no_mappings(file: Path) -> None:
    write(file, config_map(MAPPING) + account("app", "a"))
    store = ManifestAccounts(file, SETTINGS, CONFIG_MAP)
    write(file, account("app", "a"))
    assert settled(store)
    assert len(store.mapping) == 0


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (config_map("["), "data.config: not a JSON object of mappings: "),
        (config_map(MAPPING) + config_map("[]"), "data.config: not a JSON object of mappings: "),
        (config_map("x").replace('"x"', "5"), "data.config: expected a string, got a number"),
    ],
)
def test_a_bad_mapping_keeps_the_last_good_one_but_the_accounts_are_loaded(
    file: Path, caplog: pytest.LogCaptureFixture, bad: str, problem: str
) -> None:
    write(file, config_map({**MAPPING, "bad": 1}) + account("app", "a"))
    store = ManifestAccounts(file, SETTINGS, CONFIG_MAP)
    skipped = store.mapping_problems
    caplog.clear()

    write(file, bad + account("app", "b"))
    assert settled(store)
    assert (role_of(store, "app"), mapped(store, "shop", "app")) == ("b", "m")
    assert store.mapping_problems == skipped != []
    assert store.last_error.removeprefix(f"{file}, line {bad.count(chr(10))}: ").startswith(problem)
    assert (store.reloads, store.failures) == (1, 1)
    assert warnings(caplog)[-1] == f"{store.last_error}; the old manifests stay in use"

    write(file, config_map({"shop/app": {"RoleARN": ARN + "n"}}))
    assert settled(store)
    assert (mapped(store, "shop", "app"), store.last_error, store.mapping_problems) == ("n", "", [])


def test_a_bad_mapping_is_an_error_at_start(file: Path) -> None:
    write(file, config_map("["))
    with pytest.raises(ManifestError, match=r"line 1: data\.config: not a JSON object of mappings: "):
        ManifestAccounts(file, SETTINGS, CONFIG_MAP)


def test_a_mapping_is_read_from_a_document() -> None:
    mapping, problems = role_mapping(Document({"data": {"config": json.dumps(MAPPING)}}, "-", 1))
    assert mapping.exact["shop/app"].role_arn == ARN + "m"
    assert problems == []
