import pytest

from tests.charts.matrix import HOST_NETWORK, MATRIX
from tests.charts.rendering import Object, Rendered, Values
from tests.charts.restricted import violations
from tests.commands.outcome import run
from webhook.commands.certs.flags import ROTATE_FLAGS, SHOW_FLAGS

# Users who choose the node's network or remove the chart's settings accept these violations.
UNRESTRICTED = {"host network", "nothing optional"}


@pytest.mark.parametrize("values", [MATRIX[name] for name in MATRIX if name not in UNRESTRICTED])
def test_the_restricted_standard_allows_all_pods(values: Values) -> None:
    rendered = Rendered(values)

    for pod in [rendered.pod, *(one for one in rendered.hooks() if one["kind"] == "Pod")]:
        assert violations(pod["spec"]) == []
        assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in pod["spec"]["containers"])


def test_the_checker_of_the_standard_sees_what_is_missing() -> None:
    bare: Object = {"hostNetwork": True, "volumes": [{"name": "a", "hostPath": {}}], "containers": [{"name": "c"}]}

    assert violations(bare) == [
        "hostNetwork",
        "volume a is a hostPath",
        "c may escalate privileges",
        "c may run as root",
        "c has no seccomp profile",
        "c keeps capabilities",
    ]


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_serve_takes_the_arguments(values: Values) -> None:
    container = Rendered(values).container
    verb = container["command"][1]

    # One deliberate error: serve then reports all errors in its flags, and does not start.
    environ = _environ(container) | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    outcome = run(verb, *container["args"], "mistake", environ=environ)

    assert container["command"] == ["pod-identity-webhook", "serve"]
    assert outcome.code == 2
    assert outcome.err.splitlines()[:-1] == ["pod-identity-webhook serve: 'mistake': serve takes flags only"]


def test_certs_run_in_the_pod_is_about_this_installation() -> None:
    names = {"fullnameOverride": "identity", "namespaceOverride": "aws", "config": {"extraArgs": ["--v=5"]}}
    environ = _environ(Rendered(names).container)

    assert environ == {
        "PIW_NAMESPACE": "aws",
        "PIW_SERVICE_NAME": "identity",
        "PIW_TLS_SECRET": "identity",
        "PIW_WEBHOOK_CONFIGURATION": "identity",
    }
    assert environ.keys() <= {flag.variable for flag in SHOW_FLAGS}
    assert {"PIW_NAMESPACE", "PIW_TLS_SECRET"} <= {flag.variable for flag in ROTATE_FLAGS}


def test_variables_of_a_users_come_last_so_that_they_go_over_ours() -> None:
    theirs = {"name": "PIW_SERVICE_NAME", "value": "theirs"}
    container = Rendered({"extraEnv": [theirs]}).container

    assert container["env"][-1] == theirs
    assert _environ(container)["PIW_SERVICE_NAME"] == "theirs"


def test_extra_arguments_come_last() -> None:
    assert Rendered({"config": {"extraArgs": ["--v=5"]}}).container["args"][-1] == "--v=5"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
        (HOST_NETWORK, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
        ({"strategy": {"type": "Recreate"}}, {"type": "Recreate"}),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": 0}}}, {"rollingUpdate": {"maxUnavailable": 0}}),
    ],
)
def test_rollouts_bring_new_pods_first_but_on_the_nodes_network(values: Values, expected: Object) -> None:
    assert Rendered(values).one("Deployment")["spec"]["strategy"] == expected


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ({}, 30),
        ({"config": {"drainPeriod": "0s"}}, 20),
        ({"config": {"drainPeriod": "45s"}}, 65),
        ({"terminationGracePeriodSeconds": 0}, 0),
        ({"terminationGracePeriodSeconds": 300}, 300),
    ],
)
def test_a_pod_may_drain_before_it_is_killed(values: Values, seconds: int) -> None:
    assert Rendered(values).pod["spec"]["terminationGracePeriodSeconds"] == seconds


def test_two_pods_spread_where_they_can() -> None:
    rendered = Rendered()

    assert rendered.one("Deployment")["spec"]["replicas"] == 2
    constraints = rendered.pod["spec"]["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in constraints] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    for one in constraints:
        assert one["whenUnsatisfiable"] == "ScheduleAnyway"
        assert one["labelSelector"]["matchLabels"].items() <= rendered.pod["metadata"]["labels"].items()


def test_an_autoscaler_takes_the_place_of_the_number_of_replicas() -> None:
    rendered = Rendered({"autoscaling": {"enabled": True}})

    assert "replicas" not in rendered.one("Deployment")["spec"]
    assert rendered.one("HorizontalPodAutoscaler")["spec"]["minReplicas"] == 2


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ({}, {"maxUnavailable": 1}),
        ({"maxUnavailable": 0}, {"maxUnavailable": 0}),
        ({"minAvailable": 0}, {"minAvailable": 0}),
        ({"minAvailable": "50%"}, {"minAvailable": "50%"}),
        ({"minAvailable": "", "maxUnavailable": 2}, {"maxUnavailable": 2}),
        ({"maxUnavailable": None}, {"maxUnavailable": 1}),
    ],
)
def test_zero_is_a_number_in_a_disruption_budget(budget: Values, expected: Object) -> None:
    spec = Rendered({"podDisruptionBudget": budget}).one("PodDisruptionBudget")["spec"]

    assert {key: spec[key] for key in spec.keys() & {"minAvailable", "maxUnavailable"}} == expected


@pytest.mark.parametrize(
    ("version", "budget", "autoscaler", "policy"),
    [
        ("1.20.2", "policy/v1beta1", "autoscaling/v2beta2", None),
        ("1.21.0", "policy/v1", "autoscaling/v2beta2", None),
        ("1.23.0-gke.1", "policy/v1", "autoscaling/v2", None),
        ("1.27.0", "policy/v1", "autoscaling/v2", "AlwaysAllow"),
    ],
)
def test_apis_are_those_that_the_version_has(version: str, budget: str, autoscaler: str, policy: str | None) -> None:
    rendered = Rendered({"kubeVersionOverride": version, "autoscaling": {"enabled": True}})

    assert rendered.one("PodDisruptionBudget")["apiVersion"] == budget
    assert rendered.one("PodDisruptionBudget")["spec"].get("unhealthyPodEvictionPolicy") == policy
    assert rendered.one("HorizontalPodAutoscaler")["apiVersion"] == autoscaler


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"registry": "registry.test", "tag": "1.2"}, "registry.test/pod-identity-webhook:1.2"),
        ({"registry": "", "repository": "localhost/image"}, "localhost/image:0.1.0"),
        ({"registry": "r:5000", "tag": "1", "digest": f"sha256:{'a' * 64}"}, f"@sha256:{'a' * 64}"),
    ],
)
def test_the_image_is_named_by_registry_tag_and_digest(image: Values, expected: str) -> None:
    assert Rendered({"image": image}).container["image"].endswith(expected)


def test_only_what_asks_for_the_token_gets_it() -> None:
    rendered = Rendered()

    assert rendered.one("ServiceAccount")["automountServiceAccountToken"] is False
    assert rendered.pod["spec"]["automountServiceAccountToken"] is True
    assert rendered.pod["spec"]["enableServiceLinks"] is False


def test_an_upgrade_of_the_chart_alone_restarts_no_pod() -> None:
    assert not [label for label in Rendered().pod["metadata"]["labels"] if "version" in label or "chart" in label]


@pytest.mark.parametrize("where", ["podLabels", "commonLabels"])
def test_no_label_of_a_users_takes_a_pod_out_of_its_selectors(where: str) -> None:
    theirs = {"app.kubernetes.io/name": "theirs", "app.kubernetes.io/instance": "theirs", "team": "cloud"}
    rendered = Rendered({where: theirs})
    labels = rendered.pod["metadata"]["labels"]

    assert labels["team"] == "cloud"
    assert rendered.one("Deployment")["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert rendered.one("Service")["spec"]["selector"].items() <= labels.items()


def _environ(container: Object) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container["env"]}


def test_dns_config_reaches_the_pods() -> None:
    config = {"nameservers": ["10.0.0.53"], "options": [{"name": "ndots", "value": "1"}]}
    rendered = Rendered({"dnsPolicy": "None", "dnsConfig": config})

    assert (rendered.pod["spec"]["dnsPolicy"], rendered.pod["spec"]["dnsConfig"]) == ("None", config)
    assert "dnsConfig" not in Rendered().pod["spec"]


def test_labels_of_the_account_do_not_override_the_charts() -> None:
    labels = {"team": "cloud", "app.kubernetes.io/name": "theirs"}
    made = Rendered({"serviceAccount": {"labels": labels}}).one("ServiceAccount")["metadata"]["labels"]

    assert (made["team"], made["app.kubernetes.io/name"]) == ("cloud", "pod-identity-webhook")


@pytest.mark.parametrize("policy", ["SingleStack", "PreferDualStack", "RequireDualStack"])
def test_the_service_may_have_both_ip_families(policy: str) -> None:
    assert Rendered({"service": {"ipFamilyPolicy": policy}}).one("Service")["spec"]["ipFamilyPolicy"] == policy
    assert "ipFamilyPolicy" not in Rendered().one("Service")["spec"]
