"""Others damage the webhook configuration: the webhook restores our caBundle and changes nothing else."""

import copy
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from certs.issue import issue_ca
from tests.e2e.api import ApiError, Object
from tests.e2e.cluster import Cluster
from tests.e2e.replicas import ENTRY, REQUIRED_ENTRY, SECRET, Replicas, text
from tests.e2e.waiting import wait_until

_FOREIGN_CA = issue_ca(datetime.now(UTC), common_name="somebody else's CA").certificate
_REPAIRS = 3
# Pauses last 1, 2, 4 seconds and so on. The measured ones differ by less, as it takes time to see and undo a repair.
_NOTICED = 0.7


@pytest.fixture(scope="module")
def prepared(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Replicas, Object]]:
    """Two replicas, not started, and their configuration, which also has foreign entries."""
    shared = Replicas(cluster, tmp_path_factory.mktemp("replicas"), 2)
    configuration = shared.admin.get(shared.configuration)
    configuration["webhooks"] += [
        _theirs(shared, "no-bundle.example.com", {"service": {"name": "other", "namespace": shared.namespace}}),
        _theirs(
            shared,
            "elsewhere.example.com",
            {"service": {"name": "pod-identity-webhook", "namespace": "eks"}, "caBundle": text(_FOREIGN_CA)},
        ),
        _theirs(shared, "iam-for-pods.amazonaws.com", {"url": "https://127.0.0.1:23443/mutate"}),
    ]
    yield shared, shared.admin.call("PUT", shared.configuration, configuration)
    shared.remove()


@pytest.fixture(scope="module")
def release(prepared: tuple[Replicas, Object]) -> Replicas:
    """The two replicas; tests share them and must leave them unchanged."""
    prepared[0].start()
    return prepared[0]


@pytest.fixture
def applied(prepared: tuple[Replicas, Object]) -> Object:
    """The configuration as it was before a replica changed it."""
    return _but_for_our_bundles(prepared[1])


@pytest.mark.parametrize(
    ("bundle", "only"),
    [
        pytest.param(None, "", id="removed"),
        pytest.param(b64encode(b"garbage").decode(), "", id="garbage"),
        pytest.param(text(_FOREIGN_CA), "", id="a foreign CA"),
        pytest.param(text(_FOREIGN_CA), REQUIRED_ENTRY, id="a foreign CA in one entry"),
    ],
)
def test_a_damaged_ca_bundle_is_restored_within_seconds_and_nothing_else_changes(
    release: Replicas,
    applied: Object,
    measured: Callable[[str], None],
    request: pytest.FixtureRequest,
    bundle: str | None,
    only: str,
) -> None:
    state = release.wait_until_right()
    assert state.ca is not None
    lengths = release.log_lengths()
    began = time.monotonic()
    try:
        release.set_bundle(bundle, only=only)
    except ApiError as error:
        if error.code != 422:
            raise
        pytest.skip("this API server refuses such a caBundle itself")
    ours = {text(state.ca.certificate)}
    wait_until(lambda: _bundles(release) == ours, "our CA", within=20)
    measured(f"caBundle, {request.node.callspec.id}: put right within {time.monotonic() - began:.2f} s")
    release.wait_until_injected()
    assert _but_for_our_bundles(release.admin.get(release.configuration)) == applied
    wait_until(
        lambda: "somebody else changed the caBundle; we restored it: 1 certificates" in release.logged_since(lengths),
        "a line of the log",
        within=10,
        last_seen=release.last_lines,
    )
    wait_until(lambda: release.sum_of("ca_bundle_in_sync") == 2, "the metric", within=10)
    assert release.wait_until_right() == state


def test_a_bundle_with_the_same_certificates_in_another_encoding_is_left_alone(release: Replicas) -> None:
    state = release.wait_until_right()
    assert state.ca is not None
    reworded = text(b"# our CA\n\n" + state.ca.certificate.replace(b"\n", b"\r\n"))
    release.set_bundle(reworded)
    version = release.admin.get(release.configuration)["metadata"]["resourceVersion"]
    # A damaged Secret makes every replica read both objects.
    release.patch_secret({"tls.key": None})
    wait_until(lambda: release.data().get("tls.key"), "the Secret to be repaired", within=20)
    release.wait_until_right()
    assert release.admin.get(release.configuration)["metadata"]["resourceVersion"] == version
    release.set_bundle(text(state.ca.certificate))


def test_a_controller_that_keeps_reverting_us_causes_growing_pauses_and_a_metric_shows_it(
    cluster: Cluster, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    own = Replicas(cluster, tmp_path, 1)
    try:
        own.start()
        (replica,) = own.replicas
        state = own.wait_until_right()
        assert state.ca is not None
        ours = {text(state.ca.certificate)}
        assert replica.metrics()["certificate_write_contention"] == 0
        repaired = []
        for _ in range(_REPAIRS):
            own.set_bundle(text(_FOREIGN_CA))
            wait_until(lambda: _bundles(own) == ours, "our CA", within=20, last_seen=own.last_lines)
            repaired.append(time.monotonic())
        pauses = [later - sooner for sooner, later in pairwise(repaired)]
        measured(f"caBundle, fought for: pauses of {', '.join(f'{pause:.1f} s' for pause in pauses)}")
        assert pauses[1] > pauses[0] + _NOTICED
        assert replica.metrics()["certificate_write_contention"] == 1
        assert replica.is_ready()
        own.wait_until_injected()
    finally:
        own.remove()


def test_a_foreign_configuration_with_our_name_is_left_alone_and_reported(cluster: Cluster, tmp_path: Path) -> None:
    own = Replicas(cluster, tmp_path, 1)
    try:
        eks = own.admin.get(own.configuration)
        eks["webhooks"] = [
            {
                **_theirs(own, "iam-for-pods.amazonaws.com", {"url": "https://127.0.0.1:23443/mutate"}),
                "objectSelector": {"matchExpressions": [{"key": "never", "operator": "Exists"}]},
            }
        ]
        before = own.admin.call("PUT", own.configuration, eks)
        own.launch()
        (replica,) = own.replicas
        said = f"the webhook configuration has no entry that calls Service {own.namespace}/pod-identity-webhook"
        wait_until(lambda: said in replica.probe()[1], "/readyz to say why", within=60, last_seen=own.last_lines)
        assert replica.probe()[0] == 503
        assert said in replica.log
        assert replica.metrics()['certificate_failures_total{what="bundle"}'] > 0
        assert replica.metrics()["ca_bundle_in_sync"] == 0
        assert own.admin.get(own.configuration) == before

        own.admin.delete(own.configuration)
        wait_until(
            lambda: f"there is no MutatingWebhookConfiguration {own.name}" in replica.probe()[1],
            "/readyz to say what is missing",
            within=60,
            last_seen=own.last_lines,
        )
        own.admin.create(own.configuration.rpartition("/")[0], own.rendered_configuration())
        replica.wait_until_ready()
        own.wait_until_injected()
        assert own.admin.get(own.secret)["metadata"]["name"] == SECRET
    finally:
        own.remove()


def _theirs(release: Replicas, name: str, client: Object) -> Object:
    """Returns a foreign entry that the API server never calls for a pod."""
    entry = release.entry(name, {"key": "never", "operator": "Exists"}, policy="Ignore")
    return {**entry, "clientConfig": client}


def _bundles(release: Replicas) -> set[str]:
    """Returns the caBundles of our entries as text, so that even a changed comment counts as a difference."""
    entries = release.admin.get(release.configuration)["webhooks"]
    return {entry["clientConfig"].get("caBundle", "") for entry in entries if entry["name"] in {ENTRY, REQUIRED_ENTRY}}


def _but_for_our_bundles(configuration: Object) -> Object:
    rest = copy.deepcopy(configuration)
    for key in ("resourceVersion", "managedFields", "generation"):
        rest["metadata"].pop(key, None)
    for entry in rest["webhooks"]:
        if entry["name"] in {ENTRY, REQUIRED_ENTRY}:
            entry["clientConfig"].pop("caBundle", None)
    return rest
