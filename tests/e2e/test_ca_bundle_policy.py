"""With the webhook's token, one may change the caBundle of its MutatingWebhookConfiguration, and nothing else in it."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

from tests.charts.rendering import Object, Values
from tests.e2e.api import Api, ApiError
from tests.e2e.cluster import Cluster
from tests.e2e.objects import service_accounts
from tests.e2e.policies import applied
from tests.e2e.waiting import wait_until
from tests.e2e.webhook_process import CONFIGURATIONS
from tests.features import Feature

pytestmark = pytest.mark.needs(Feature.ADMISSION_POLICIES)

# No webhook runs for this release: the API server must not call it for the pods of other tests.
VALUES: Values = {
    "mutatingWebhook": {
        "namespaceSelector": {"matchLabels": {"nobody": "here"}},
        "matchConditions": [{"name": "some", "expression": "true"}],
        "annotations": {"example.com/owner": "cloud"},
    }
}
BUNDLE = b64encode(b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n").decode()


@dataclass(frozen=True)
class Release:
    """The configuration, and a user with the token of the webhook's ServiceAccount."""

    admin: Api
    user: Api
    token: str
    name: str

    @property
    def path(self) -> str:
        return f"{CONFIGURATIONS}/{self.name}"

    def attempt(self, change: Callable[[Object], object]) -> None:
        """Patches the configuration with a change, as the user and as a dry run. Raises ApiError."""
        changed = deepcopy(self.admin.get(self.path))
        change(changed)
        # A merge patch replaces whole lists but keeps missing members: so set members to null that the change removed.
        metadata = {
            key: changed["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences", "finalizers")
        }
        before = self.admin.get(self.path)["metadata"]
        for key in ("labels", "annotations"):
            removed = dict.fromkeys((before.get(key) or {}).keys() - (metadata[key] or {}).keys())
            metadata[key] = {**(metadata[key] or {}), **removed}
        body = {"metadata": metadata, "webhooks": changed["webhooks"]}
        self.user.call("PATCH", self.path, body, dryRun="All")


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release | None]:
    if cluster.version < Feature.ADMISSION_POLICIES.since:
        # A module fixture runs before its tests are skipped.
        yield None
        return
    namespace = cluster.namespace("ca-bundle-policy")
    with applied(cluster, namespace, VALUES) as rendered:
        name = rendered.one("MutatingWebhookConfiguration")["metadata"]["name"]
        account = f"{service_accounts(namespace)}/{rendered.pod['spec']['serviceAccountName']}"
        token = cluster.admin.create(f"{account}/token", {"spec": {"expirationSeconds": 3600}})["status"]["token"]
        user = Api(cluster.url, cluster.ca, token)
        made = Release(cluster.admin, user, token, name)
        wait_until(lambda: _message(made, _relabel) != "", "the API server to go by the policy", within=30)
        yield made
        user.close()


def _relabel(configuration: Object) -> None:
    configuration["metadata"]["labels"]["more"] = "yes"


def _of_entry(**changes: Any) -> Callable[[Object], None]:
    """Changes fields of the last entry; None removes one."""

    def change(configuration: Object) -> None:
        entry = configuration["webhooks"][-1]
        entry.update(changes)
        for key in [key for key, value in changes.items() if value is None]:
            del entry[key]

    return change


def _of_client_config(**changes: Any) -> Callable[[Object], None]:
    def change(configuration: Object) -> None:
        configuration["webhooks"][0]["clientConfig"].update(changes)

    return change


def _of_service(**changes: Any) -> Callable[[Object], None]:
    def change(configuration: Object) -> None:
        configuration["webhooks"][0]["clientConfig"]["service"].update(changes)

    return change


def _of_metadata(**changes: Any) -> Callable[[Object], None]:
    return lambda configuration: configuration["metadata"].update(changes)


def _bundles(configuration: Object) -> None:
    for entry in configuration["webhooks"]:
        entry["clientConfig"]["caBundle"] = BUNDLE


def _bundles_and_a_rule(configuration: Object) -> None:
    _bundles(configuration)
    configuration["webhooks"][1]["rules"][0]["resources"] = ["secrets"]


def _another_entry(configuration: Object) -> None:
    configuration["webhooks"].append(configuration["webhooks"][0] | {"name": "more.pod-identity-webhook.amazonaws.com"})


def _a_url(configuration: Object) -> None:
    configuration["webhooks"][0]["clientConfig"] = {"url": "https://example.invalid/mutate"}


ALLOWED: dict[str, Callable[[Object], object]] = {
    "nothing": lambda _: None,
    "the caBundle of all entries": _bundles,
    "the caBundle of one": _of_client_config(caBundle=BUNDLE),
}
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "scope": "*"}
OF_AN_ENTRY: dict[str, Callable[[Object], object]] = {
    "name": _of_entry(name="other.pod-identity-webhook.amazonaws.com"),
    "rules": _of_entry(rules=[{**RULE, "operations": ["CREATE", "UPDATE"]}]),
    "failurePolicy": _of_entry(failurePolicy="Fail"),
    "matchPolicy": _of_entry(matchPolicy="Exact"),
    "namespaceSelector": _of_entry(namespaceSelector={}),
    "objectSelector": _of_entry(objectSelector={}),
    "sideEffects": _of_entry(sideEffects="NoneOnDryRun"),
    "timeoutSeconds": _of_entry(timeoutSeconds=30),
    "admissionReviewVersions": _of_entry(admissionReviewVersions=["v1"]),
    "reinvocationPolicy": _of_entry(reinvocationPolicy="Never"),
    "matchConditions": _of_entry(matchConditions=[{"name": "some", "expression": "false"}]),
    "clientConfig": _a_url,
}
REFUSED: dict[str, Callable[[Object], object]] = {
    **OF_AN_ENTRY,
    "no matchConditions": _of_entry(matchConditions=None),
    "the Service's namespace": _of_service(namespace="kube-system"),
    "the Service's name": _of_service(name="theirs"),
    "the Service's port": _of_service(port=8443),
    "the path": _of_service(path="/"),
    "rules beside the caBundle": _bundles_and_a_rule,
    "one entry less": lambda configuration: configuration["webhooks"].pop(),
    "one entry more": _another_entry,
    "no entry": lambda configuration: configuration["webhooks"].clear(),
    "another order": lambda configuration: configuration["webhooks"].reverse(),
    "a label": _relabel,
    "no labels": lambda configuration: configuration["metadata"]["labels"].clear(),
    "annotations": _of_metadata(annotations={"example.com/owner": "me"}),
    "finalizers": _of_metadata(finalizers=["example.com/mine"]),
    "owners": _of_metadata(
        ownerReferences=[{"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "1"}],
    ),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED)
def test_the_webhook_may_change_the_ca_bundle(release: Release, change: Callable[[Object], object]) -> None:
    assert _message(release, change) == ""


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_the_webhook_may_change_nothing_else(release: Release, change: Callable[[Object], object]) -> None:
    assert "may change the caBundles and nothing else" in _message(release, change)


def test_every_field_of_an_entry_is_covered(release: Release) -> None:
    fields = {key for entry in release.admin.get(release.path)["webhooks"] for key in entry}

    assert fields == OF_AN_ENTRY.keys()


def test_the_patch_of_the_webhook_is_allowed_and_a_stolen_token_can_do_no_more(
    cluster: Cluster, release: Release
) -> None:
    def patched(entry: Object) -> str:
        answer = cluster.kubectl(
            *("patch", f"--token={release.token}", "--type=strategic", "mutatingwebhookconfiguration", release.name),
            *("--patch", f'{{"webhooks": [{entry}]}}'.replace("'", '"')),
        )
        return answer.stdout + answer.stderr

    name = {"name": "pod-identity-webhook.amazonaws.com"}
    assert patched({**name, "clientConfig": {"caBundle": BUNDLE}}).endswith(" patched\n")
    assert release.admin.get(release.path)["webhooks"][0]["clientConfig"]["caBundle"] == BUNDLE
    assert "nothing else" in patched({**name, "rules": [{**RULE, "operations": ["*"], "resources": ["*"]}]})


def test_others_may_change_everything(release: Release) -> None:
    for change in REFUSED.values():
        configuration = release.admin.get(release.path)
        change(configuration)
        release.admin.call("PUT", release.path, configuration, dryRun="All")


def _message(release: Release, change: Callable[[Object], object]) -> str:
    """Returns why the API server refuses the change, or an empty string if it allows it."""
    try:
        release.attempt(change)
    except ApiError as error:
        return error.message
    return ""
