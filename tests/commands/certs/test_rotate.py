import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from certs.authority import Authority
from certs.bundle import Service
from certs.issue import Pair, issue_ca
from certs.renewal import issued_at, renewal_reason
from certs.state import ROTATE_CA_AFTER, ROTATE_LEAF_AFTER, parse_time, read_state
from certs.stores import InMemoryBundleStore, InMemorySecretStore
from tests.commands.certs.certificates import (
    ENTRY,
    NAME,
    NAMES,
    NAMESPACE,
    SECRET,
    Installation,
    configuration,
    installation,
    secret,
    stored,
)
from tests.commands.outcome import Outcome, run

NO_DEPLOYMENT = f"there is no Deployment {NAMESPACE}/{NAME}"


def rotated(here: Installation, *flags: str) -> Outcome:
    return run("certs", "rotate", *here.flags, *flags)


def asked(here: Installation) -> dict[str, str]:
    annotations: dict[str, str] = here.cluster.objects[SECRET]["metadata"]["annotations"]
    return annotations


def test_a_leaf_rotation_only_adds_an_annotation() -> None:
    with installation(age=timedelta(days=1)) as here:
        before = here.cluster.objects[SECRET]["data"]
        done = rotated(here)
        after = asked(here)[ROTATE_LEAF_AFTER]
        (write,) = here.cluster.writes

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"Secret {NAMESPACE}/pod-identity-webhook: {ROTATE_LEAF_AFTER}={after}",
        "A replica signs a new leaf with the current CA now, and all replicas serve it.",
        f"This holds only if the webhook makes its own certificate, which its Secret suggests: {NO_DEPLOYMENT}",
        f"Watch it: pod-identity-webhook certs show --kubeconfig= --kube-api={here.cluster.url}",
    ]
    assert write.body == {"metadata": {"annotations": {ROTATE_LEAF_AFTER: after}}}
    assert (write.method, write.path) == ("PATCH", SECRET)
    assert here.cluster.objects[SECRET]["data"] == before


@pytest.mark.parametrize("skew", [timedelta(), timedelta(hours=2), -timedelta(hours=2)], ids=str)
def test_a_leaf_is_due_even_if_it_was_issued_this_second_or_with_another_clock(skew: timedelta) -> None:
    with installation(age=skew) as here:
        rotated(here)
        requested = parse_time(asked(here)[ROTATE_LEAF_AFTER])

    clock = issued_at(here.leaf) + timedelta(seconds=1)
    assert renewal_reason(here.leaf, here.ca, NAMES, clock, requested=requested) == "requested"


def test_a_ca_rotation_prints_what_will_happen() -> None:
    with installation() as here:
        done = rotated(here, "--ca")
        after = asked(here)

    assert (done.code, done.err, list(after)) == (0, "", [ROTATE_CA_AFTER])
    assert "A replica makes a new CA now and adds it to the caBundle. After --ca-settle" in done.out
    assert "--ca=" not in done.out


def test_an_existing_next_ca_is_replaced_too() -> None:
    with installation(age=timedelta(days=2)) as here:
        coming = issue_ca(datetime.now(UTC), common_name="next CA")
        here.cluster.put(SECRET, secret(replace(here.state, next_ca=coming)))
        done = rotated(here, "--ca")
        requested = parse_time(asked(here)[ROTATE_CA_AFTER])

    assert requested == issued_at(coming) + timedelta(seconds=1)
    assert "There is already a next CA: it takes over first, and then one more new CA.\n" in done.out


async def test_a_replica_performs_the_requested_rotation() -> None:
    served: list[Pair] = []
    with installation(age=timedelta(days=1)) as here:
        # The command runs a loop of its own.
        await asyncio.to_thread(rotated, here)
        annotations = asked(here)

    secrets = InMemorySecretStore()
    secrets.put(here.state.data(), annotations)
    bundles = InMemoryBundleStore(configuration({ENTRY: here.ca.certificate}))
    service = Service("pod-identity-webhook", NAMESPACE)
    await Authority(secrets, bundles, service, NAMES, served.append).check()
    stored_now = await secrets.read()
    assert stored_now is not None
    state = read_state(stored_now.data, stored_now.annotations)[0]

    assert state.ca == here.ca
    assert state.leaf != here.leaf
    assert served == [state.leaf]


def test_a_missing_empty_or_foreign_secret_is_an_error_of_one_line() -> None:
    with installation() as here:
        here.cluster.put(SECRET, stored({"ca.crt": here.ca.certificate, "tls.crt": here.leaf.certificate}))
        foreign = rotated(here)
        here.cluster.put(SECRET, {"metadata": {}})
        empty = rotated(here)
        here.cluster.delete(SECRET)
        missing = rotated(here)
        writes = here.cluster.writes

    prefix = "pod-identity-webhook certs rotate: "
    assert [outcome.code for outcome in (foreign, empty, missing)] == [1, 1, 1]
    assert foreign.err == (
        f"{prefix}the webhook does not sign this certificate, so it cannot rotate it: its kind is existing-secret"
        f" (Secret {NAMESPACE}/pod-identity-webhook); put a new tls.crt, tls.key and ca.crt into the Secret"
        f" {NAMESPACE}/pod-identity-webhook; the webhook loads them within two minutes\n"
    )
    assert empty.err == (
        f"{prefix}the Secret {NAMESPACE}/{NAME} has no CA or leaf of the webhook: there is nothing to rotate"
        f" ({NO_DEPLOYMENT})\n"
    )
    assert missing.err == (
        f"{prefix}there is no Secret {NAMESPACE}/pod-identity-webhook; set --namespace and --tls-secret\n"
    )
    assert writes == []


def test_a_secret_that_rbac_hides_is_an_error_of_one_line() -> None:
    with installation() as here:
        here.cluster.denied.add(SECRET)
        done = rotated(here)

    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert 'resources: ["secrets"], verbs: ["get"]' in done.err


def test_wrong_usage_is_exit_code_2() -> None:
    done = run("certs", "rotate", "now", "--tls-secret=")

    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[:2] == [
        "pod-identity-webhook certs rotate: 'now': certs rotate takes flags only",
        "pod-identity-webhook certs rotate: --tls-secret: must not be empty",
    ]
