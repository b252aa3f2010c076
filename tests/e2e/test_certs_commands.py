"""`certs show` and `certs rotate` on each kind of certificate: the chart by the real Helm, on a real API server."""

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certs.issue import issue_ca
from certs.pem import canonical
from certs.state import State
from tests.e2e.certs_installation import KINDS, LONG_AGO, Installed
from tests.e2e.cluster import Cluster
from tests.e2e.foreign_kinds import define_foreign_kinds
from tests.e2e.helm_release import HelmRelease
from tests.e2e.waiting import wait_until


@pytest.fixture
def release(cluster: Cluster, tmp_path: Path) -> Iterator[HelmRelease]:
    define_foreign_kinds(cluster)
    own = HelmRelease(cluster, tmp_path)
    yield own
    own.close()


@pytest.fixture(params=list(KINDS.values()), ids=list(KINDS))
def installed(cluster: Cluster, release: HelmRelease, request: pytest.FixtureRequest) -> Installed:
    made = Installed(cluster, release, request.param)
    made.install()
    return made


def test_each_kind_is_shown_as_it_is_healthy_and_broken_and_rotates_only_if_the_webhook_signs(
    installed: Installed,
) -> None:
    _show_a_healthy_one(installed)
    if installed.kind.is_made_by_us:
        _rotate(installed)
    else:
        _refuse_to_rotate(installed)
        _break_what_others_make(installed)
    installed.stop()
    _expire(installed)
    _publish_another_ca(installed)
    _delete_the_secret(installed)


def _show_a_healthy_one(installed: Installed) -> None:
    kind, namespace = installed.kind, installed.release.namespace
    in_pod, outside, at_address = (
        installed.shown(outcome)
        for outcome in (
            installed.in_pod("show", "--output=json"),
            installed.outside("show", "--output=json"),
            installed.outside("show", "--output=json", f"--address={installed.cluster_ip}:443"),
        )
    )
    for document in (in_pod, outside, at_address):
        assert document["findings"] == []
        told = {name: document[name] for name in ("kind", "source", "renewedBy", "caBundleWrittenBy", "doubt")}
        assert told == {
            "kind": kind.name,
            "source": installed.text(kind.source),
            "renewedBy": kind.renewed_by,
            "caBundleWrittenBy": installed.text(kind.bundle_by),
            "doubt": None,
        }
        assert document["secret"]["place"] == f"Secret {namespace}/{kind.secret}"
    assert (
        in_pod["served"]["sha256"] == at_address["served"]["sha256"] == in_pod["secret"]["certificates"][-1]["sha256"]
    )
    assert (in_pod["unread"], list(outside["unread"]), at_address["unread"]) == ({}, ["served"], {})
    assert "are not flags" not in installed.release.deployment.log_text()
    text = installed.as_noted()
    assert (text.code, text.err) == (0, "")
    assert f"\n  kind: {kind.name} ({installed.text(kind.source)})\n  renewed by: {kind.renewed_by}\n" in text.out


def _rotate(installed: Installed) -> None:
    (pod,) = installed.release.deployment.pods
    for rotate in (installed.in_pod, installed.outside):
        leaf = pod.served()
        done = rotate("rotate")
        assert (done.code, done.err) == (0, "")
        assert "holds only if" not in done.out
        wait_until(lambda served=leaf: pod.served() != served, "a new leaf", within=30)  # type: ignore[misc]
        assert installed.shown(installed.in_pod("show", "--output=json"))["findings"] == []


def _refuse_to_rotate(installed: Installed) -> None:
    kind, before = installed.kind, installed.annotations()
    for rotate in (installed.in_pod, installed.outside):
        done = rotate("rotate")
        assert (done.code, done.out) == (1, "")
        assert done.err == (
            "pod-identity-webhook certs rotate: the webhook does not sign this certificate, so it cannot rotate it: "
            f"its kind is {kind.name} ({installed.text(kind.source)}); {installed.text(kind.instead)}\n"
        )
    assert installed.annotations() == before


def _break_what_others_make(installed: Installed) -> None:
    """The webhook has nothing better than what it is given, so it serves an expired leaf too."""
    release, path, place = installed.release, installed.certificate_path, installed.place
    (pod,) = release.deployment.pods
    expired = installed.expired(installed.ca)
    release.admin.call("PUT", path, installed.secret(expired))
    wait_until(
        lambda: pod.served() == canonical(expired.certificate),
        "the expired leaf to be served",
        within=60,
        last_seen=pod.process.last_lines,
    )
    first, *others = installed.shown(installed.in_pod("show", "--output=json"))["findings"]
    assert first == "the served leaf has expired"
    assert all(other.endswith(": certificate has expired") for other in others)

    stranger = issue_ca(datetime.now(UTC), common_name="a CA that did not sign")
    release.admin.call("PUT", path, installed.secret(release.leaf(stranger)))
    assert (
        f"the {place}: ca.crt has no CA that verifies tls.crt, so the webhook does not load it" in installed.findings()
    )

    release.admin.delete(path)
    found = installed.shown(installed.in_pod("show", "--output=json"))["findings"]
    assert [one for one in found if one.startswith(f"the {place} does not exist: ")]
    release.admin.create(release.secrets, installed.secret(installed.leaf))


def _expire(installed: Installed) -> None:
    """What is there after the webhook was down for long."""
    release = installed.release
    if installed.kind.is_made_by_us:
        ca = issue_ca(datetime.now(UTC) - LONG_AGO, common_name="CA")
        state = State(ca=ca, leaf=installed.expired(ca)).data()
        encoded = {name: b64encode(pem).decode() for name, pem in state.items()}
        release.admin.patch(installed.certificate_path, {"data": encoded})
        installed.publish(ca)
    else:
        release.admin.call("PUT", installed.certificate_path, installed.secret(installed.expired(installed.ca)))
        installed.publish(installed.ca)

    assert installed.findings() == [f"the leaf of the {installed.place} has expired"]


def _publish_another_ca(installed: Installed) -> None:
    installed.publish(issue_ca(datetime.now(UTC), common_name="a CA that nobody knows"))

    found = installed.findings()

    entries = installed.release.admin.get(installed.release.configuration)["webhooks"]
    assert f"the caBundle of all {len(entries)} entries lacks the CA of the {installed.place}" in found


def _delete_the_secret(installed: Installed) -> None:
    installed.release.admin.delete(installed.certificate_path)

    (missing,) = installed.findings()

    assert missing.startswith(f"the {installed.place} does not exist: ")
