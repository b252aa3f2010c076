"""Pods, accounts and entries for the tests of audit, and the verdict that audit comes to."""

from copy import deepcopy
from typing import Any, Final

from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.settings import Settings
from webhook.cluster.dated_accounts import DatedAccount
from webhook.cluster.namespaces import Namespace
from webhook.diagnosis.own_values import ALL_OURS, UNKNOWN, own_values
from webhook.diagnosis.verdict import Known, Verdict, answer_to, judge

Object = dict[str, Any]

ROLE: Final = "arn:aws:iam::111122223333:role/reader"
OTHER: Final = "arn:aws:iam::111122223333:role/writer"
PREFIX: Final = "eks.amazonaws.com"
CREATED: Final = "2026-02-01T00:00:00Z"
BEFORE: Final = "2026-01-01T00:00:00Z"
AFTER: Final = "2026-03-01T00:00:00Z"


def pod(*, labels: Object | None = None, annotations: Object | None = None, **spec: Any) -> Object:
    """Returns a pod with one container, `app`, unless `spec` says otherwise."""
    metadata: Object = {"namespace": "shop", "name": "web-1", "labels": labels or {}, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"serviceAccountName": "web", "containers": [{"name": "app"}], **spec}}


def container(name: str = "app", **env: str) -> Object:
    return {"name": name, "env": [{"name": key, "value": value} for key, value in env.items()]}


def known(
    *,
    role: str | None = ROLE,
    changed_at: str = BEFORE,
    configured_at: str = BEFORE,
    is_recorded: bool = True,
    entries: list[Object] | None = None,
    namespace: Object | None = None,
    sources: Sources | None = None,
    settings: Settings | None = None,
    **annotations: str,
) -> Known:
    """Returns a cluster whose ServiceAccount `web` has a role; keys of `annotations` have `_` instead of `-`."""
    given = {"role-arn": role} if role is not None else {}
    account = ServiceAccount(
        "shop", "web", given | {key.replace("_", "-"): value for key, value in annotations.items()}
    )
    return Known(
        settings or Settings(),
        sources or Sources(),
        {("shop", "web"): DatedAccount(account, changed_at, is_recorded)},
        {"shop": Namespace(namespace or {})},
        entries,
        configured_at,
    )


def entry(**members: Any) -> Object:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    return {"name": "pods", "clientConfig": {"service": {"path": "/mutate"}}, "rules": [rule], **members}


def injected(bare: Object, cluster: Known) -> Object:
    """Returns the pod as the webhook patches it."""
    after = answer_to(deepcopy(bare), cluster, requires=False).after
    assert after is not None
    return after


def verdict(running: Object, cluster: Known, template: Object | None = None) -> Verdict | None:
    """Returns the verdict as audit comes to it: it asks for the template only if the pod seems wrong without."""
    if judge(running, CREATED, cluster, ALL_OURS) is None:
        return None
    return judge(running, CREATED, cluster, own_values(template) if template is not None else UNKNOWN)


def renamed(running: Object, name: str) -> Object:
    return {**running, "metadata": {**running["metadata"], "name": name}}


def with_container(running: Object, added: Object) -> Object:
    """Returns the pod with one more container, as another webhook adds it."""
    return {**running, "spec": {**running["spec"], "containers": [*running["spec"]["containers"], added]}}
