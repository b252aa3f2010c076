"""The cluster of `replay --live` and `--ca-from-cluster`, as the flags say."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from certs.bundle import Service, published
from webhook.admission.identity import ServiceAccount
from webhook.admission.mapping import RoleMapping
from webhook.admission.names import is_dns_label
from webhook.admission.settings import Settings
from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import ApiError
from webhook.cluster.installation import Installation, configuration_resource, entries_of
from webhook.cluster.namespaces import Namespace
from webhook.cluster.resource import Resource
from webhook.commands.flags.parsing import Parsed
from webhook.commands.flags.taken_over import take_over
from webhook.commands.replay.api_server import as_the_api_server, review_of
from webhook.commands.replay.case import Case
from webhook.commands.replay.live import LiveCluster, live_cluster
from webhook.commands.replay.running_webhook import Trust
from webhook.errors import SettingsError, WebhookError
from webhook.manifests.documents import Document

# Prints a line for the user.
Notice = Callable[[str], None]


@dataclass(frozen=True)
class Replayed:
    """The cluster whose answers a replay predicts, and how the webhook is installed in it."""

    cluster: LiveCluster
    installation: Installation
    notice: Notice = field(repr=False)


@contextmanager
def replayed_cluster(parsed: Parsed, notice: Notice) -> Iterator[Replayed]:
    """Yields the cluster of --live. Sets in `parsed` what the user leaves to the cluster: namespace and flags.

    Raises ClusterError or SettingsError.
    """
    with live_cluster(_access(parsed)) as cluster:
        if "namespace" not in parsed.given and cluster.namespace:
            if not is_dns_label(cluster.namespace):
                raise SettingsError([f"the kubeconfig's namespace {cluster.namespace!r} is not a namespace's name"])
            parsed.values["namespace"] = cluster.namespace
        name = parsed.values["webhook_configuration"]
        installation = cluster.installation(name)
        for problem in installation.problems:
            notice(problem)
        if installation.is_missing:
            notice(
                f"without the MutatingWebhookConfiguration {name}, the cluster does not call the webhook: what follows "
                "is what it would do if it were installed; if yours has another name, set --webhook-configuration"
            )
        elif installation.entries is None:
            notice("without it, replay cannot tell whether the API server would ask the webhook")
        for line in take_over(parsed, installation, "replay"):
            notice(line)
        yield Replayed(cluster, installation, notice)


def read_state(
    replayed: Replayed,
    parsed: Parsed,
    cases: Sequence[Case],
    documents: Sequence[Document],
    accounts: dict[tuple[str, str], ServiceAccount],
    settings: Settings,
) -> tuple[list[Case], RoleMapping]:
    """Returns the cases with what the API server does with them, and the role mappings. Adds to `accounts`.

    The cluster's ServiceAccounts win over those of the same name in the manifests, because pods would get them now.
    """
    values = parsed.values
    reviewed = [(case, review_of(case)) for case in cases]
    reviews = [review for _, review in reviewed if review is not None]
    config_map = None
    if values["watch_config_map"]:
        config_map = Resource("configmaps", values["config_map_namespace"], values["config_map_name"])
    is_selective = replayed.installation.entries is not None
    state = replayed.cluster.state(
        [(review.namespace, review.service_account) for review in reviews if review.service_account],
        [review.namespace for review in reviews] if is_selective else [],
        settings,
        config_map,
    )
    for problem in state.problems:
        replayed.notice(problem)
    accounts |= state.accounts
    namespaces = state.namespaces
    if namespaces is not None:
        namespaces = {**_namespaces_in(documents), **namespaces}
    known = [
        as_the_api_server(case, review, replayed.installation, namespaces if is_selective else None, accounts)
        for case, review in reviewed
    ]
    return known, state.mapping


def trust_of(parsed: Parsed, notice: Notice) -> Trust:
    """Returns what verifies the webhook of --url; with --ca-from-cluster, its caBundle. Raises WebhookError."""
    values = parsed.values
    if not values["ca_from_cluster"]:
        return Trust(ca=values["ca"], server_name=values["server_name"])
    name = values["webhook_configuration"]
    what = f"MutatingWebhookConfiguration {name}"
    with live_cluster(_access(parsed)) as cluster:
        try:
            configuration = cluster.get(configuration_resource(name))
        except ApiError as error:
            if error.status != 404:
                raise
            raise WebhookError(
                f"{what} does not exist; if yours has another name, set --webhook-configuration"
            ) from error
    _, service, problems = entries_of(configuration)
    for problem in problems:
        notice(problem)
    if service is None:
        raise WebhookError(f"{what} names no Service, so its caBundle is of no use for --url: set --ca")
    bundle = published(configuration, Service(service.name, service.namespace))
    if not bundle:
        raise WebhookError(f"{what} has no caBundle that all entries trust: see 'pod-identity-webhook certs show'")
    pem = b"".join(bundle).decode("ascii")
    return Trust(bundle=pem, bundle_of=f"the caBundle of {what}", server_name=values["server_name"] or service.host)


def _namespaces_in(documents: Sequence[Document]) -> dict[str, Namespace]:
    """Returns the Namespaces in the manifests by name, with the label that the API server adds."""
    found = {}
    for document in documents:
        if document.group_kind() == ("", "Namespace") and (name := document.member("metadata.name", str)):
            labels = document.member("metadata.labels", dict) or {}
            found[name] = Namespace({**labels, "kubernetes.io/metadata.name": name})
    return found


def _access(parsed: Parsed) -> AccessSettings:
    return AccessSettings(**parsed.of(("kubeconfig", "context", "kube_api")))
