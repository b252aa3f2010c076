from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from certs.bundle import Service, bundle_patch, our_entries, published
from certs.issue import issue_ca

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVICE = Service("webhook", "eks")
ONE, TWO = (issue_ca(NOW, common_name=name).certificate for name in ("one", "two"))


def entry(name: str, bundle: bytes | None, service: str = "webhook", namespace: str = "eks") -> dict[str, Any]:
    client = {"service": {"name": service, "namespace": namespace, "path": "/mutate", "port": 443}}
    return {"name": name, "clientConfig": client | ({} if bundle is None else {"caBundle": b64encode(bundle).decode()})}


def configuration(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "pod-identity-webhook", "resourceVersion": "7"}, "webhooks": list(entries)}


def test_only_entries_that_call_our_service_are_ours() -> None:
    url = {"name": "by url", "clientConfig": {"url": "https://webhook.eks.svc/mutate"}}
    entries = configuration(
        entry("ours", None), entry("name", None, "other"), entry("namespace", None, "webhook", "kube-system"), url, {}
    )
    assert [one["name"] for one in our_entries(entries, SERVICE)] == ["ours"]


@pytest.mark.parametrize("shape", [{}, {"webhooks": None}, {"webhooks": [{"name": "x", "clientConfig": None}]}])
def test_a_configuration_without_our_entries_publishes_nothing_and_needs_no_patch(shape: dict[str, Any]) -> None:
    assert published(shape, SERVICE) == ()
    assert bundle_patch(shape, SERVICE, ONE) is None


def test_only_certificates_that_all_our_entries_trust_count_as_published() -> None:
    assert published(configuration(entry("a", ONE + TWO), entry("b", TWO), entry("c", ONE, "other")), SERVICE) == (TWO,)
    assert published(configuration(entry("a", ONE), entry("b", None)), SERVICE) == ()


@pytest.mark.parametrize("found", [TWO + ONE, ONE + ONE + TWO, b"comment\n" + ONE.replace(b"\n", b"\r\n") + TWO])
def test_a_bundle_with_the_same_certificates_is_correct_however_it_is_written(found: bytes) -> None:
    assert bundle_patch(configuration(entry("a", found)), SERVICE, ONE + TWO) is None


@pytest.mark.parametrize("found", [None, b"", b"garbage", ONE, ONE + TWO])
def test_the_patch_sets_the_bundle_of_our_wrong_entries_and_nothing_else(found: bytes | None) -> None:
    stored = configuration(entry("a", found), entry("right", TWO), entry("theirs", ONE, "other"))
    assert bundle_patch(stored, SERVICE, TWO) == {
        "metadata": {"resourceVersion": "7"},
        "webhooks": [{"name": "a", "clientConfig": {"caBundle": b64encode(TWO).decode()}}],
    }


def test_a_ca_bundle_that_is_not_base64_is_corrected() -> None:
    broken = entry("a", None)
    broken["clientConfig"]["caBundle"] = "%%%é"
    assert published(configuration(broken), SERVICE) == ()
    assert bundle_patch(configuration(broken), SERVICE, ONE) is not None
