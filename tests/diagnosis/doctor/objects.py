"""Facts for the tests of `doctor`'s steps, each healthy unless a test says otherwise."""

from typing import Any

from webhook.admission.identity import Identity, NoIdentity, ServiceAccount
from webhook.diagnosis.doctor.facts import Account, Endpoints, Installation, Replica
from webhook.diagnosis.doctor.read import Read

NAME = "pod-identity-webhook"
ROLE = "arn:aws:iam::111122223333:role/s3-reader"
ISSUER = "https://oidc.example.com"
LABEL = "eks.amazonaws.com/require-pod-identity"
IDENTITY = Identity("sts_web_identity", ROLE, "sts.amazonaws.com", 86400, regional_sts=False)
TOKEN_FILE = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"


def entry(name: str, path: str = "/mutate", **members: Any) -> dict[str, Any]:
    """Returns an entry for the creation of pods."""
    return {
        "name": name,
        "clientConfig": {"service": {"namespace": "system", "name": NAME, "path": path}},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "timeoutSeconds": 5,
        **members,
    }


PLAIN = entry(
    "plain", failurePolicy="Ignore", objectSelector={"matchExpressions": [{"key": LABEL, "operator": "DoesNotExist"}]}
)
REQUIRED = entry("required", objectSelector={"matchExpressions": [{"key": LABEL, "operator": "Exists"}]})
BY_NAMESPACE = entry("by-namespace", "/mutate/require", namespaceSelector={"matchLabels": {LABEL: "true"}})
ENTRIES = (PLAIN, REQUIRED, BY_NAMESPACE)


def configuration(*entries: dict[str, Any], name: str = NAME) -> dict[str, Any]:
    return {"metadata": {"name": name}, "webhooks": list(entries)}


def installation(**changes: Any) -> Installation:
    whole = {
        "name": NAME,
        "configuration": Read(configuration(*ENTRIES)),
        "configurations": Read([configuration(*ENTRIES)]),
        "service": f"system/{NAME}",
        "service_object": Read({"spec": {}}),
        "endpoints": Read(Endpoints(2)),
        "replicas": Read([Replica(name="one", is_ready=True, version="1.0.0")]),
    }
    return Installation(**{**whole, **changes})


def account(**changes: Any) -> Account:
    whole = {
        "namespace": "shop",
        "name": "reports",
        "account": Read(ServiceAccount("shop", "reports", {"role-arn": ROLE})),
        "identity": IDENTITY,
    }
    return Account(**{**whole, **changes})


def without_role(message: str) -> NoIdentity:
    return NoIdentity("no_role", message)


def injected(*, env: list[dict[str, Any]] | None = None, **members: Any) -> dict[str, Any]:
    """Returns a pod as the webhook leaves it; `env` goes before what the webhook adds."""
    ours = [{"name": "AWS_ROLE_ARN", "value": ROLE}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": TOKEN_FILE}]
    mount = {"name": "aws-iam-token", "mountPath": TOKEN_FILE.rpartition("/")[0], "readOnly": True}
    token = {"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"}
    container = {"name": "app", "env": [*(env or []), *ours], "volumeMounts": [mount], **members}
    volume = {"name": "aws-iam-token", "projected": {"sources": [{"serviceAccountToken": token}]}}
    metadata = {"name": "reports-0", "namespace": "shop", "creationTimestamp": "2026-11-01T10:00:00Z"}
    return {"metadata": metadata, "spec": {"containers": [container], "volumes": [volume]}}


def bare() -> dict[str, Any]:
    """Returns a pod that the webhook did not see."""
    pod = injected(env=[], volumeMounts=[])
    pod["spec"]["containers"][0]["env"] = []
    pod["spec"]["volumes"] = []
    return pod
