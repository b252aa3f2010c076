"""Role mappings that a store reads from the manifest of a ConfigMap."""

import json
from pathlib import Path

import pytest

from tests.manifests.account_files import ARN, SETTINGS, account, role_of, settled, warnings, write
from webhook.errors import ManifestError
from webhook.manifests.accounts import ManifestAccounts, role_mapping
from webhook.manifests.documents import Document

CONFIG_MAP = ("eks", "pod-identity-webhook")
MAPPING = {"shop/app": {"RoleARN": ARN + "m"}}


def config_map(config: object, name: str = CONFIG_MAP[1]) -> str:
    config = config if isinstance(config, str) else json.dumps(config)
    metadata = {"name": name, "namespace": CONFIG_MAP[0]}
    return (
        json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config": config}}) + "\n"
    )


def mapped(store: ManifestAccounts, namespace: str, name: str) -> str | None:
    found = store.mapping.find(namespace, name)
    return found.role_arn.removeprefix(ARN) if found else None


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
