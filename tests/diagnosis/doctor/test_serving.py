import pytest

from tests.diagnosis.doctor.objects import NAME, installation
from webhook.diagnosis.doctor.facts import Certificate, Endpoints, Installation, Replica, Right
from webhook.diagnosis.doctor.read import Read
from webhook.diagnosis.doctor.serving import cache_step, certificate_step, endpoints_step, rights_step, version_step

_AGE = 'pod_identity_webhook_cache_age_seconds{watch="serviceaccounts"}'
_SYNCED = 'pod_identity_webhook_cache_synced{watch="serviceaccounts"}'
_RULE = 'apiGroups: [""], resources: ["secrets"], verbs: ["patch"]'
_IN_POD = f"kubectl -n system exec deploy/{NAME} -- pod-identity-webhook doctor"


def _replicas(metrics: dict[str, float] | None = None, *versions: str) -> Installation:
    made = [
        Replica(name=f"replica-{version}", is_ready=True, version=version, metrics=Read(metrics or {}))
        for version in versions or ("1.0.0",)
    ]
    return installation(replicas=Read(made))


@pytest.mark.parametrize(
    ("facts", "outcome", "anchor"),
    [
        pytest.param(installation(), ("ok", "2 ready"), "", id="ready"),
        pytest.param(
            installation(endpoints=Read(Endpoints(1, 1))), ("ok", "1 ready, and 1 not ready"), "", id="one waits"
        ),
        pytest.param(
            installation(endpoints=Read(Endpoints(0, 2))),
            ("failed", "none: 2 not ready"),
            "no-endpoints-available-for-service",
            id="none is ready",
        ),
        pytest.param(
            installation(endpoints=Read(Endpoints(0))),
            ("failed", "none: there is no pod behind it"),
            "no-endpoints-available-for-service",
            id="no pods",
        ),
        pytest.param(
            installation(service_object=Read(), endpoints=Read()),
            ("failed", f"the Service system/{NAME} does not exist"),
            "service-pod-identity-webhook-not-found",
            id="no Service",
        ),
        pytest.param(installation(endpoints=Read(None, "403")), ("unknown", "403"), "", id="no right"),
        pytest.param(
            installation(service=""), ("skipped", "it is not known which Service the webhook has"), "", id="unknown"
        ),
    ],
)
def test_endpoints(facts: Installation, outcome: tuple[str, str], anchor: str) -> None:
    step = endpoints_step(facts)

    assert ((step.status, step.found), step.anchor) == (outcome, anchor)


def test_without_pods_there_is_nothing_to_describe_but_the_deployment() -> None:
    step = endpoints_step(installation(endpoints=Read(Endpoints(0))))

    assert step.next == (
        "kubectl -n system get deployments: if the webhook's is 0/0, scale it up; "
        "otherwise kubectl -n system describe deployments,replicasets says why there are none"
    )


@pytest.mark.parametrize(
    ("certificate", "outcome", "anchor"),
    [
        pytest.param(Certificate(seen=["one serves a leaf"]), ("ok", "one serves a leaf"), "", id="fine"),
        pytest.param(
            Certificate(seen=["one serves a leaf"], unseen=["two: no answer"]),
            ("ok", "one serves a leaf (not seen: two: no answer)"),
            "",
            id="one replica could not be reached",
        ),
        pytest.param(Certificate(unseen=["no answer"]), ("unknown", "no answer"), "", id="nothing could be seen"),
        pytest.param(
            Certificate(findings=["the API server refuses the served leaf", "more"], seen=["one"]),
            ("failed", "the API server refuses the served leaf (and 1 more: certs show -n system)"),
            "x509-certificate-signed-by-unknown-authority",
            id="another CA",
        ),
        pytest.param(
            Certificate(findings=["the served leaf has expired"]),
            ("failed", "the served leaf has expired"),
            "x509-certificate-has-expired-or-is-not-yet-valid",
            id="expired",
        ),
        pytest.param(
            Certificate(findings=["the served leaf is not valid for a.b.svc"]),
            ("failed", "the served leaf is not valid for a.b.svc"),
            "x509-certificate-is-valid-for--not-",
            id="another name",
        ),
    ],
)
def test_certificates(certificate: Certificate, outcome: tuple[str, str], anchor: str) -> None:
    step = certificate_step(installation(certificate=certificate))

    assert ((step.status, step.found), step.anchor) == (outcome, anchor)


def test_the_command_that_shows_more_is_about_this_installation() -> None:
    facts = installation(name="irsa", service="eks/irsa-webhook", certificate=Certificate(findings=["no leaf"]))

    command = "pod-identity-webhook certs show -n eks --service-name irsa-webhook --webhook-configuration irsa"
    assert certificate_step(facts).next == f"{command} says what belongs together"


def test_a_certificate_that_was_compared_with_no_ca_bundle_is_not_fine() -> None:
    facts = installation(configuration=Read(None, "403"), certificate=Certificate(seen=["one serves a leaf"]))

    step = certificate_step(facts)

    assert (step.status, step.found) == ("unknown", "one serves a leaf; the caBundle could not be read")


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        pytest.param(_replicas(None, "1.0.0"), ("ok", "1.0.0"), id="the same"),
        pytest.param(
            _replicas(None, "0.9.0", "1.0.0"),
            ("failed", "this command is 1.0.0, the replicas are 0.9.0, 1.0.0"),
            id="a rollout",
        ),
        pytest.param(installation(replicas=Read(None, "403")), ("unknown", "403"), id="no right"),
    ],
)
def test_versions(facts: Installation, outcome: tuple[str, str]) -> None:
    step = version_step(facts, "1.0.0")

    assert (step.status, step.found) == outcome


@pytest.mark.parametrize(
    ("rights", "outcome"),
    [
        pytest.param(Read([Right(_RULE, is_granted=True)]), ("ok", "the user has all 1"), id="all"),
        pytest.param(
            Read([Right(_RULE, is_granted=False)]), ("failed", f"the user lacks: {_RULE}"), id="one is missing"
        ),
        pytest.param(Read(None, "403"), ("unknown", "403"), id="no right to ask"),
    ],
)
def test_rights(rights: Read[list[Right]], outcome: tuple[str, str]) -> None:
    step = rights_step(installation(rights=rights, holder="the user"))

    assert (step.status, step.found) == outcome


@pytest.mark.parametrize(
    ("metrics", "outcome"),
    [
        pytest.param({_AGE: 40.0, _SYNCED: 1.0}, ("ok", "the oldest is 40 s old", ""), id="fresh"),
        pytest.param(
            {_AGE: 151.0},
            ("failed", "replica-1.0.0 has heard nothing for 151 s", "its log says why its watch does not go on"),
            id="old",
        ),
        pytest.param(
            {_AGE: 1.0, _SYNCED: 0.0},
            (
                "failed",
                "replica-1.0.0 has not read all ServiceAccounts yet",
                "its log says why it cannot list; usually a right is missing",
            ),
            id="never complete",
        ),
        pytest.param({}, ("unknown", "no replica's metrics could be read", ""), id="no metrics"),
    ],
)
def test_the_age_of_what_the_webhook_knows(metrics: dict[str, float], outcome: tuple[str, str, str]) -> None:
    step = cache_step(_replicas(metrics))

    assert (step.status, step.found, step.next) == outcome
