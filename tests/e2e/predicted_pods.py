"""Pods of many kinds, for which `replay --live` must predict what the API server makes of them."""

from typing import Any, Final

from tests.e2e.api import Object
from tests.e2e.objects import OTHER_ROLE, ROLE, mirror_pod, pod, service_account

PREFIX: Final = "eks.amazonaws.com"
SKIP: Final = f"{PREFIX}/skip-pod-identity-webhook"
REQUIRE: Final = f"{PREFIX}/require-pod-identity"

# The namespaces by purpose, and their labels.
NAMESPACES: Final[dict[str, dict[str, str]]] = {
    "plain": {},
    "legacy": {"team": "legacy"},
    "requiring": {REQUIRE: "true"},
    "requiring-legacy": {REQUIRE: "1", "team": "legacy"},
    "not-requiring": {REQUIRE: "false"},
}
# The values of the chart: selectors, flags, a mapping, and a file with container credentials.
VALUES: Final[dict[str, Any]] = {
    "config": {
        "defaultAwsRegion": "eu-west-1",
        "stsRegionalEndpoint": True,
        "tokenExpiration": 7200,
        "extraArgs": [
            "--compose-role-arn",
            "--watch-container-credentials-config=/etc/identities/identities.json",
        ],
    },
    "mutatingWebhook": {
        "namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["legacy"]}]},
        "objectSelector": {"matchExpressions": [{"key": "stage", "operator": "NotIn", "values": ["canary"]}]},
    },
    "extraEnv": [
        {"name": "PIW_AWS_ACCOUNT_ID", "value": "111122223333"},
    ],
    "extraVolumes": [{"name": "identities", "configMap": {"name": "identities"}}],
    "extraVolumeMounts": [{"name": "identities", "mountPath": "/etc/identities"}],
}

ACCOUNTS: Final = (
    service_account("app", ROLE),
    service_account("other", OTHER_ROLE, token_expiration="1200", audience="example.com"),
    service_account("composed", "team/reader"),
    service_account("no-sts", ROLE, sts_regional_endpoints="false"),
    service_account("picky", ROLE, skip_containers="app"),
    service_account("session", ROLE, role_session_name="nightly"),
    service_account("plain"),
    service_account("mapped"),
    service_account("agent"),
)


def mapping(namespaces: dict[str, str]) -> Object:
    """Returns the chart's role mappings for the namespaces by purpose."""
    return {f"{namespaces['plain']}/mapped": {"RoleARN": OTHER_ROLE}}


def identities(namespaces: dict[str, str]) -> Object:
    """Returns the file that lists the ServiceAccounts with container credentials."""
    names = [namespaces[purpose] for purpose in ("plain", "requiring")]
    return {"identities": [{"namespace": name, "serviceAccount": "agent"} for name in names]}


def predicted_pods(namespaces: dict[str, str], version: tuple[int, int]) -> dict[str, Object]:
    """Returns the pods by their names, for the namespaces by purpose and a version of Kubernetes."""
    made: dict[str, Object] = {}

    def add(name: str, namespace: str | None, body: Object) -> None:
        body["metadata"]["name"] = name
        if namespace is not None:
            body["metadata"]["namespace"] = namespaces.get(namespace, namespace)
        made[name] = {"apiVersion": "v1", "kind": "Pod", **body}

    for account in ("app", "other", "composed", "no-sts", "picky", "session", "plain", "mapped", "agent", "default"):
        add(f"account-{account}", "plain", pod("", account))
    for namespace in ("legacy", "requiring", "requiring-legacy", "not-requiring", "kube-system"):
        for label, labels in _LABELS.items():
            add(f"{namespace}-{label}", namespace, pod("", "app", labels=labels))
    for label, labels in _LABELS.items():
        add(f"plain-{label}", "plain", pod("", "app", labels=labels))
    for namespace in ("plain", "requiring", "legacy"):
        add(f"{namespace}-missing-account", namespace, pod("", "missing"))
        add(f"{namespace}-without-role", namespace, pod("", "plain"))
    add("requiring-agent", "requiring", pod("", "agent"))
    add("requiring-mirror", "requiring", mirror_pod({}))
    add("legacy-mirror", "legacy", mirror_pod({}))
    add("in-no-namespace", "not-there", pod("", "app"))
    add("in-the-namespace-of-the-context", None, pod("", "app"))
    for name, (annotations, spec) in _SHAPES.items():
        add(f"shape-{name}", "plain", _shaped("app", annotations, spec))
        add(f"requiring-shape-{name}", "requiring", _shaped("app", annotations, spec))
    # Older API servers drop fields that they do not know.
    for name, spec in _NEWER.items() if version >= (1, 25) else ():
        add(f"newer-{name}", "plain", _shaped("app", {}, spec))
    return made


_LABELS: Final[dict[str, dict[str, str]]] = {
    "unlabelled": {},
    "skipped": {SKIP: "true"},
    "required": {REQUIRE: "true"},
    "required-and-skipped": {REQUIRE: "true", SKIP: ""},
    "not-required": {REQUIRE: "false"},
    "required-by-no-bool": {REQUIRE: "perhaps"},
    "canary": {"stage": "canary"},
}
_SIDECAR: Final[Object] = {"name": "sidecar", "image": "example.invalid/sidecar"}
_APP: Final[Object] = {"name": "app", "image": "example.invalid/app"}
_SHAPES: Final[dict[str, tuple[dict[str, str], Object]]] = {
    "two-containers": ({}, {"containers": [_APP, _SIDECAR], "initContainers": [{**_SIDECAR, "name": "init"}]}),
    "skip-list": ({f"{PREFIX}/skip-containers": "sidecar, init"}, {"containers": [_APP, _SIDECAR]}),
    "skip-everything": ({f"{PREFIX}/skip-containers": "app"}, {}),
    "include-list": ({f"{PREFIX}/only-containers": "sidecar"}, {"containers": [_APP, _SIDECAR]}),
    "token-expiration": ({f"{PREFIX}/token-expiration": "3600"}, {}),
    "preset-region": ({}, {"containers": [{**_APP, "env": [{"name": "AWS_REGION", "value": "us-east-1"}]}]}),
    "preset-role": ({}, {"containers": [{**_APP, "env": [{"name": "AWS_ROLE_ARN", "value": OTHER_ROLE}]}]}),
    "static-keys": (
        {},
        {
            "containers": [
                {
                    **_APP,
                    "env": [{"name": f"AWS_{each}", "value": "x"} for each in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")],
                }
            ]
        },
    ),
    "windows": ({}, {"nodeSelector": {"kubernetes.io/os": "windows"}}),
}
_HOST_PROCESS: Final[Object] = {"windowsOptions": {"hostProcess": True, "runAsUserName": "NT AUTHORITY\\SYSTEM"}}
_NEWER: Final[dict[str, Object]] = {
    "windows": {"os": {"name": "windows"}},
    # In older clusters, the API server refuses this until a controller has made a Secret.
    "with-the-clusters-own-token": {"automountServiceAccountToken": True},
    "windows-host": {"os": {"name": "windows"}, "hostNetwork": True, "securityContext": _HOST_PROCESS},
}


def _shaped(account: str, annotations: dict[str, str], spec: Object) -> Object:
    body = pod("", account)
    body["metadata"]["annotations"] = annotations
    body["spec"] |= spec
    return body
