"""A cluster with many pods that are as they should be, and planted ones of ten kinds that are not."""

import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from tests.e2e.api import Object
from tests.e2e.cluster import Cluster
from tests.e2e.objects import OTHER_ROLE, ROLE, ROLE_ANNOTATION, mirror_pod, pod, pods, service_account
from tests.e2e.objects import service_accounts as accounts_in
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import CONFIGURATIONS, SERVICE, Webhook

PREFIX: Final = "eks.amazonaws.com"
NAME: Final = SERVICE
_WORKERS: Final = 16
_OWNER: Final = "web-5d8"
_OWN_ENV: Final = [
    {"name": "AWS_ROLE_ARN", "value": OTHER_ROLE},
    {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": f"/var/run/secrets/{PREFIX}/serviceaccount/token"},
]

# The kinds of planted pods: their finding and reason.
KINDS: Final[dict[str, tuple[str, str]]] = {
    "away": ("missing", "webhook-away"),
    "mapped-away": ("missing", "not-told"),
    "annotated-later": ("missing", "older-than-role"),
    "skip-label": ("missing", "skipped"),
    "skip-annotation": ("missing", "skipped"),
    "exempt": ("missing", "namespace-exempt"),
    "canary": ("missing", "not-called"),
    "role": ("changed", "older-than-role"),
    "audience": ("changed", "older-than-role"),
    "session": ("changed", "older-than-role"),
}
_CHANGING: Final = {
    "annotated-later": {ROLE_ANNOTATION: ROLE},
    "role": {ROLE_ANNOTATION: OTHER_ROLE},
    "audience": {ROLE_ANNOTATION: ROLE, f"{PREFIX}/audience": "other"},
    "session": {ROLE_ANNOTATION: ROLE, f"{PREFIX}/role-session-name": "nightly"},
}


class PlantedCluster:
    """A cluster with a registered webhook. `plant` fills namespaces; `expected` is what audit must find."""

    def __init__(self, cluster: Cluster, webhook: Webhook) -> None:
        self.cluster = cluster
        self.webhook = webhook
        self.namespaces: list[str] = []
        self.expected: set[tuple[str, str, str, str]] = set()
        self.count = 0

    def register(self) -> None:
        """Makes the API server call the webhook, and installs a Deployment whose flags audit can read."""
        admin, home = self.cluster.admin, self.webhook.namespace
        labels = {"app": "webhook"}
        args = ["serve", "--watch-config-map", f"--namespace={home}"]
        container = {"name": "pod-identity-webhook", "image": "example.invalid/webhook", "args": args}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        admin.create(f"/apis/apps/v1/namespaces/{home}/deployments", {"metadata": {"name": SERVICE}, "spec": spec})
        admin.patch(f"/api/v1/namespaces/{home}/services/{SERVICE}", {"spec": {"selector": labels}})

        def not_in(key: str, value: str) -> Object:
            return {"matchExpressions": [{"key": key, "operator": "NotIn", "values": [value]}]}

        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
        entry: dict[str, Any] = {
            "name": "pods.example.com",
            "clientConfig": {
                "service": {"name": SERVICE, "namespace": home, "path": "/mutate"},
                "caBundle": b64encode(self.webhook.ca.encode()).decode(),
            },
            "rules": [rule],
            "namespaceSelector": not_in("team", "legacy"),
            "objectSelector": {
                "matchExpressions": [
                    *not_in("stage", "canary")["matchExpressions"],
                    {"key": f"{PREFIX}/skip-pod-identity-webhook", "operator": "DoesNotExist"},
                ]
            },
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
            "timeoutSeconds": 5,
        }
        admin.create(CONFIGURATIONS, {"metadata": {"name": NAME}, "webhooks": [entry]})

    def plant(self, fine: int, each_kind: int, *, namespaces: int = 4) -> None:
        """Creates about `fine` pods that are no findings, and `each_kind` of each kind that are."""
        admin = self.cluster.admin
        self._make_namespaces(namespaces)
        home, mapped = self.webhook.namespace, {"RoleARN": ROLE}
        document = json.dumps({f"{name}/mapped-away": mapped for name in self.namespaces})
        admin.create(
            f"/api/v1/namespaces/{home}/configmaps",
            {"metadata": {"name": "pod-identity-webhook"}, "data": {"config": document}},
        )
        # Until the API server calls the webhook, nothing that it should inject may be created.
        first = self.namespaces[0]
        wait_until(lambda: self._is_injected(first), "the webhook to inject", within=30)
        self._create([self._fine(number) for number in range(fine)])
        places = [self.namespaces[number % len(self.namespaces)] for number in range(each_kind)]
        early = [kind for kind in KINDS if "away" not in kind and kind != "exempt"]
        self._create([self._planted(kind, place, n) for kind in early for n, place in enumerate(places)])
        self._create([self._planted("exempt", "legacy", n) for n in range(each_kind)])
        self.webhook.process.kill()
        self._create(
            [self._planted(kind, place, n) for kind in ("away", "mapped-away") for n, place in enumerate(places)]
        )
        # Times in objects have seconds: changes must be in a later one.
        second = int(time.time())
        wait_until(lambda: int(time.time()) > second, "the next second", within=5)
        self._each(
            lambda where: admin.patch(f"{accounts_in(where[0])}/{where[1]}", {"metadata": {"annotations": where[2]}}),
            [(name, kind, annotations) for name in set(places) for kind, annotations in _CHANGING.items()],
        )

    def _make_namespaces(self, count: int) -> None:
        self.namespaces = [f"audited-{number}" for number in range(count)]
        admin = self.cluster.admin
        self._each(
            lambda name: admin.create("/api/v1/namespaces", {"metadata": {"name": name}}),
            self.namespaces,
        )
        admin.create("/api/v1/namespaces", {"metadata": {"name": "legacy", "labels": {"team": "legacy"}}})
        # The API server records who wrote what only of objects that were created with some field.
        later = {"metadata": {"name": "annotated-later", "labels": {"team": "shop"}}}
        accounts = [service_account("app", ROLE), service_account("plain"), later]
        accounts += [service_account(kind, ROLE) for kind in ("role", "audience", "session")]
        accounts += [service_account("mapped-away")]
        self._each(
            lambda pair: admin.create(accounts_in(pair[0]), pair[1]),
            [(name, account) for name in (*self.namespaces, "legacy") for account in accounts],
        )
        template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("", "app")["spec"]}
        own = {**template, "spec": {**template["spec"], "containers": [{**_container(), "env": _OWN_ENV}]}}
        self._each(
            lambda job: admin.create(f"/apis/apps/v1/namespaces/{job[0]}/replicasets", job[1]),
            [
                (name, _replica_set(title, made))
                for name in self.namespaces
                for title, made in ((_OWNER, template), ("own-7c4", own))
            ],
        )

    def _is_injected(self, namespace: str) -> bool:
        made = self.cluster.admin.create(pods(namespace), pod("probe", "app"), dryRun="All")
        return "env" in made["spec"]["containers"][0]

    def _fine(self, number: int) -> tuple[str, Object]:
        namespace = self.namespaces[number % len(self.namespaces)]
        # One in 25 of each odd kind, the rest injected.
        kind = {0: "plain", 1: "own", 2: "finished", 3: "mirror", 4: "terminating"}.get(
            number // len(self.namespaces) % 25, ""
        )
        if kind == "mirror":
            made = mirror_pod({})
            made["metadata"]["name"] = f"mirror-{number}"
            return namespace, made
        made = pod(f"fine-{kind or 'injected'}-{number}", "plain" if kind == "plain" else "app")
        if kind == "finished":
            made["metadata"]["labels"] = {f"{PREFIX}/skip-pod-identity-webhook": "true", "finished": "true"}
        elif kind == "terminating":
            made["metadata"]["labels"] = {f"{PREFIX}/skip-pod-identity-webhook": "true", "terminating": "true"}
            made["metadata"]["finalizers"] = ["test.example.com/stays"]
        elif kind == "own":
            made["spec"]["containers"] = [{**_container(), "env": _OWN_ENV}]
        made["metadata"]["owned-by"] = "own-7c4" if kind == "own" else _OWNER
        return namespace, made

    def _planted(self, kind: str, namespace: str, number: int) -> tuple[str, Object]:
        account = kind if kind in (*_CHANGING, "mapped-away") else "app"
        made = pod(f"planted-{kind}-{number}", account)
        if kind == "skip-label":
            made["metadata"]["labels"] = {f"{PREFIX}/skip-pod-identity-webhook": "true"}
        elif kind == "skip-annotation":
            made["metadata"]["annotations"] = {f"{PREFIX}/skip-containers": "app"}
        elif kind == "canary":
            made["metadata"]["labels"] = {"stage": "canary"}
        if kind in ("role", "away"):
            made["metadata"]["owned-by"] = _OWNER
        finding, reason = KINDS[kind]
        if kind == "role" and self.cluster.version < (1, 22):
            # Before, the recorded time stays if a writer changes only the value of what it wrote before.
            reason = "settings-changed"
        self.expected.add((namespace, made["metadata"]["name"], finding, reason))
        return namespace, made

    def _create(self, made: Iterable[tuple[str, Object]]) -> None:
        self._each(self._create_one, made)

    def _create_one(self, job: tuple[str, Object]) -> None:
        namespace, made = job
        admin = self.cluster.admin
        owner = made["metadata"].pop("owned-by", None)
        if owner is not None and namespace != "legacy":
            uid = admin.get(f"/apis/apps/v1/namespaces/{namespace}/replicasets/{owner}")["metadata"]["uid"]
            reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": uid, "controller": True}
            made["metadata"]["ownerReferences"] = [reference]
        admin.create(pods(namespace), made)
        self.count += 1
        path = f"{pods(namespace)}/{made['metadata']['name']}"
        if "finished" in made["metadata"].get("labels", {}):
            admin.patch(f"{path}/status", {"status": {"phase": "Succeeded"}})
        if "terminating" in made["metadata"].get("labels", {}):
            admin.delete(path)

    def _each(self, do: Callable[[Any], Any], items: Iterable[Any]) -> None:
        with ThreadPoolExecutor(_WORKERS) as pool:
            list(pool.map(do, items))


def _container() -> Object:
    return {"name": "app", "image": "example.invalid/app"}


def _replica_set(name: str, template: Object) -> Object:
    """Returns a ReplicaSet of a Deployment `web`, which does not exist: no controller runs."""
    labels = {"app": name}
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "deployment", "controller": True}
    template = {**template, "metadata": {"labels": labels}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name, "ownerReferences": [owner]}, "spec": spec}
