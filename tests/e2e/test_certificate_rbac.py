"""The chart's RBAC rules are sufficient and minimal, the log names a missing rule, and private keys do not leak."""

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from certs.renewal import issued_at
from certs.state import ROTATE_CA_AFTER, ROTATE_LEAF_AFTER, format_time
from tests.e2e.api import Api, ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import ROLE
from tests.e2e.rbac import CLUSTER_RULES, NAMESPACE_RULES, Account, account_with, certificate_rules, may
from tests.e2e.replicas import SECRET, Replicas
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import CONFIGURATIONS, SERVICE

_VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
_ADMISSION = "admissionregistration.k8s.io"
_CONFIGURATIONS = "mutatingwebhookconfigurations"


@pytest.fixture(scope="module")
def release(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    """Two replicas with verbose logs and the chart's rules."""
    shared = Replicas(cluster, tmp_path_factory.mktemp("replicas"), 2, "-v=5", "--ca-settle=1s")
    try:
        shared.start()
        yield shared
    finally:
        shared.remove()


@pytest.fixture
def user(cluster: Cluster, release: Replicas) -> Iterator[Api]:
    """A user with a replica's token."""
    api = Api(cluster.url, cluster.ca, release.account.token)
    yield api
    api.close()


def test_the_rules_allow_only_the_named_secret_and_the_named_configuration(release: Replicas, user: Api) -> None:
    def allowed(group: str, resource: str, name: str, namespace: str) -> set[str]:
        attributes = {"group": group, "resource": resource, "name": name, "namespace": namespace}
        return {verb for verb in _VERBS if may(user, {**attributes, "verb": verb})}

    reads = {"get", "list", "watch"}
    assert allowed("", "secrets", SECRET, release.namespace) == reads | {"patch", "create"}
    # RBAC does not know the name of an object that does not exist yet.
    assert allowed("", "secrets", "other", release.namespace) == {"create"}
    assert allowed("", "secrets", "", release.namespace) == {"create"}
    assert allowed("", "secrets", SECRET, release.pod_namespace) == set()
    assert allowed(_ADMISSION, _CONFIGURATIONS, release.name, "") == reads | {"patch"}
    assert allowed(_ADMISSION, _CONFIGURATIONS, "other", "") == set()
    assert allowed(_ADMISSION, _CONFIGURATIONS, "", "") == set()
    assert allowed(_ADMISSION, "validatingwebhookconfigurations", release.name, "") == set()
    for resource, namespace in product(("pods", "configmaps"), (release.namespace, release.pod_namespace)):
        assert allowed("", resource, "other", namespace) == set()


def test_with_the_token_of_a_replica_nothing_else_can_be_changed(release: Replicas, user: Api) -> None:
    admin = release.admin
    theirs = f"/api/v1/namespaces/{release.pod_namespace}/secrets"
    for collection, name in ((release.secrets, "other"), (theirs, SECRET)):
        admin.create(collection, {"metadata": {"name": name}, "stringData": {"kept": "yes"}})
    other = release.rendered_configuration()
    other["metadata"]["name"] = f"other-{release.name}"
    for entry in other["webhooks"]:
        entry["objectSelector"]["matchExpressions"].append({"key": "never", "operator": "Exists"})
    admin.create(CONFIGURATIONS, other)
    objects = [f"{release.secrets}/other", f"{theirs}/{SECRET}", f"{CONFIGURATIONS}/other-{release.name}"]
    before = [admin.get(path) for path in objects]
    change: Object = {"metadata": {"labels": {"changed": "yes"}}}
    try:
        for path, is_there in zip(objects, before, strict=True):
            _assert_forbidden(user, "PATCH", path, change)
            _assert_forbidden(user, "PUT", path, is_there)
            _assert_forbidden(user, "DELETE", path)
            _assert_forbidden(user, "GET", path)
            _assert_forbidden(user, "GET", path.rpartition("/")[0])
        for path in (release.secret, release.configuration):
            _assert_forbidden(user, "DELETE", path)
            assert user.get(path)["metadata"]["name"] in path
        _assert_forbidden(user, "PUT", release.configuration, admin.get(release.configuration))
        _assert_forbidden(user, "POST", CONFIGURATIONS, {**other, "metadata": {"name": f"new-{release.name}"}})
        _assert_forbidden(user, "POST", theirs, {"metadata": {"name": "new"}})
        assert [admin.get(path) for path in objects] == before
    finally:
        admin.delete(objects[-1])


def test_no_private_key_is_in_a_log_or_on_disk_whatever_happens_and_no_rule_is_missing(release: Replicas) -> None:
    keys: set[bytes] = set()

    def collect() -> None:
        keys.update(value for name, value in release.data().items() if name.endswith(".key") and value)

    state = release.wait_until_right()
    collect()
    assert state.ca is not None
    assert state.leaf is not None
    release.annotate_secret(
        **{
            ROTATE_LEAF_AFTER: format_time(issued_at(state.leaf) + timedelta(seconds=1)),
            ROTATE_CA_AFTER: format_time(issued_at(state.ca) + timedelta(seconds=1)),
        }
    )

    def has_taken_over() -> bool:
        collect()
        now = release.agreed()
        return now is not None and now.ca not in {None, state.ca} and now.leaf not in {None, state.leaf}

    wait_until(has_taken_over, "another CA and another leaf", within=30, last_seen=release.last_lines)
    release.patch_secret({"tls.key": release.data()["ca.key"]})
    release.wait_until_right()
    release.patch_secret({"ca.crt": b"garbage", "ca.key": release.data()["ca.key"][:-40]})
    release.wait_until_right()
    release.admin.delete(release.secret)
    wait_until(lambda: release.state() is not None, "another Secret", within=20)
    release.wait_until_right()
    collect()
    # At least a CA, the next CA and two leaves.
    assert len(keys) >= 4
    assert release.create_pod() == ROLE

    log = release.log_text()
    assert " DEBUG " in log, "this is what -v=5 says"
    assert "wrote the Secret: CA: restored" in log
    assert "403" not in re.sub(r"\.\d+Z|port \d+", "", log).split(), release.last_lines()
    assert "Forbidden" not in log
    for form in (form for key in keys for form in _forms(key)):
        assert form not in log
    written = [path for path in release.directory.rglob("*-tmp/**/*") if path.is_file()]
    assert written == [], "they write no file"
    for replica in release.replicas:
        opened = _open_files(replica.process.pid)
        assert not [name for name in opened if "memfd" in name], "a key is in memory for as long as it is loaded"


def _open_files(pid: int) -> list[str]:
    opened = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        # A connection may end between listing and reading.
        with suppress(FileNotFoundError):
            opened.append(str(file.readlink()))
    return opened


def test_a_missing_rule_is_named_in_the_log(cluster: Cluster, tmp_path: Path) -> None:
    """Starts several webhooks at once, because the start is what takes time."""
    both = ("secrets", _CONFIGURATIONS)
    cases: list[tuple[str, tuple[str, ...]]] = [("get", both), ("list", both), ("watch", both)]
    # The webhook publishes nothing until it has written the Secret, so each of these needs a case of its own.
    cases += [("patch", ("secrets",)), ("patch", (_CONFIGURATIONS,)), ("create", ("secrets",))]
    releases = [
        Replicas(cluster, tmp_path, 1, account=_account_without(cluster, verb, plurals), secret=verb != "create")
        for verb, plurals in cases
    ]
    try:
        for release in releases:
            release.launch()
        for (verb, plurals), release in zip(cases, releases, strict=True):
            (replica,) = release.replicas
            for plural in plurals:
                wanted = _rule(release, verb, plural)
                wait_until(
                    lambda replica=replica, wanted=wanted: wanted in replica.log,  # type: ignore[misc]
                    f"a line of the log with {wanted}",
                    within=90,
                    last_seen=release.last_lines,
                )
            if verb in {"list", "watch"}:
                # Without the watch, the webhook still looks every minute.
                replica.wait_until_ready()
            else:
                status, said = replica.probe()
                assert status == 503
                assert any(_rule(release, verb, plural) in said for plural in plurals)
                for plural in plurals:
                    kind = "bundle" if plural == _CONFIGURATIONS else "secret"
                    assert replica.metrics()[f'certificate_failures_total{{what="{kind}"}}'] > 0
    finally:
        for release in releases:
            release.remove()


def _account_without(cluster: Cluster, verb: str, plurals: tuple[str, ...]) -> Account:
    """Creates an account with the chart's rules except for one verb."""
    namespace = cluster.namespace(f"without-{verb}")
    cluster_rules, namespace_rules = certificate_rules(SECRET, f"{SERVICE}-{namespace}")

    def but_for_one(rules: list[Object]) -> list[Object]:
        left = [
            {**rule, "verbs": [one for one in rule["verbs"] if one != verb or rule["resources"][0] not in plurals]}
            for rule in rules
        ]
        return [rule for rule in left if rule["verbs"]]

    return account_with(
        cluster,
        namespace,
        cluster_rules=[*CLUSTER_RULES, *but_for_one(cluster_rules)],
        namespace_rules=[*NAMESPACE_RULES, *but_for_one(namespace_rules)],
    )


def _rule(release: Replicas, verb: str, plural: str) -> str:
    group, where, name = "", f"Role in namespace {release.namespace}", SECRET
    if plural == _CONFIGURATIONS:
        group, where, name = _ADMISSION, "ClusterRole", release.name
    names = "" if verb == "create" else f', resourceNames: ["{name}"]'
    return f'grant apiGroups: ["{group}"], resources: ["{plural}"], verbs: ["{verb}"]{names} in a {where}'


def _assert_forbidden(user: Api, method: str, path: str, body: Object | None = None) -> None:
    with pytest.raises(ApiError) as refused:
        user.call(method, path, body)
    assert refused.value.code == 403, f"{method} {path}: {refused.value}"


def _forms(key: bytes) -> Iterator[str]:
    """Yields the forms in which a key could leak: each line of its PEM, and its base64 as in a Secret."""
    lines = [line.decode() for line in key.splitlines() if not line.startswith(b"-----")]
    yield from lines
    yield b64encode(key).decode()
    yield b64encode(key)[48:112].decode()
    yield "".join(lines)
