"""Reads what decides about pods now: how the webhook is installed, its flags, and every source of roles."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from webhook.admission.container_credentials import ContainerCredentials, parse_container_credentials
from webhook.admission.identity import Sources
from webhook.admission.mapping import NO_MAPPING, RoleMapping
from webhook.admission.names import is_dns_label
from webhook.admission.settings import Settings
from webhook.cluster.access import AccessSettings
from webhook.cluster.api_errors import ApiError
from webhook.cluster.client import KubernetesClient
from webhook.cluster.config_map import read_mapping
from webhook.cluster.dated_accounts import list_accounts
from webhook.cluster.installation import read_installation
from webhook.cluster.namespaces import Namespace, list_namespaces, read_namespace
from webhook.cluster.resource import Resource
from webhook.commands.flags.parsing import Parsed
from webhook.commands.flags.taken_over import take_over
from webhook.commands.flags.to_settings import checked, settings_from, with_account
from webhook.diagnosis.verdict import Known
from webhook.errors import CredentialsConfigError, SettingsError, UnusableInput

_SECONDS: Final = 10.0

# Prints a line for the user.
Notice = Callable[[str], None]


def access_of(parsed: Parsed) -> AccessSettings:
    """Returns the cluster that the flags name."""
    return AccessSettings(**parsed.of(("kubeconfig", "context", "kube_api")))


def namespace_of(parsed: Parsed, client: KubernetesClient) -> str:
    """Returns the namespace to audit; "" is every one. Raises SettingsError."""
    if parsed.values["all_namespaces"]:
        return ""
    name: str = parsed.values["namespace"] or client.namespace or "default"
    if not is_dns_label(name):
        raise SettingsError([f"the kubeconfig's namespace {name!r} is not a namespace's name"])
    return name


async def read_known(client: KubernetesClient, parsed: Parsed, namespace: str, notice: Notice) -> Known:
    """Reads what decides about the pods of a namespace ("" is every one). Takes over the running webhook's flags.

    Prints a notice for all that cannot be read but is not indispensable. Raises WebhookError.
    """
    name = parsed.values["webhook_configuration"]
    installation = await read_installation(client, name, seconds=_SECONDS)
    for problem in installation.problems:
        notice(problem)
    if installation.entries is None:
        notice(
            f"without the MutatingWebhookConfiguration {name}, audit looks at every pod as if the API server asked the "
            "webhook about it; if yours has another name, set --webhook-configuration"
        )
    for line in take_over(parsed, installation, "audit"):
        notice(line)
    (settings,) = checked(parsed, lambda: settings_from(parsed, Settings))
    settings = with_account(settings)
    mapping = await _mapping(client, parsed, notice)
    sources = Sources(mapping, _container_credentials(parsed.values["watch_container_credentials_config"], notice))
    namespaces = None
    if namespace or installation.entries is not None:
        has_entries = installation.entries is not None
        namespaces = await _namespaces(client, namespace, notice if has_entries else lambda _text: None)
    accounts = await list_accounts(client, settings, namespace)
    return Known(settings, sources, accounts, namespaces, installation.entries, installation.created_at)


async def _mapping(client: KubernetesClient, parsed: Parsed, notice: Notice) -> RoleMapping:
    values = parsed.values
    if not values["watch_config_map"]:
        return NO_MAPPING
    resource = Resource("configmaps", values["config_map_namespace"], values["config_map_name"])
    try:
        mapping, problems = await read_mapping(client, resource, seconds=_SECONDS)
    except ApiError as error:
        if error.status != 403:
            raise
        mapping, problems = NO_MAPPING, [f"role mappings are not read, and pods that need one are not found: {error}"]
    for problem in problems:
        notice(problem)
    return mapping


def _container_credentials(path: Path | None, notice: Notice) -> ContainerCredentials:
    if path is None:
        return frozenset()
    try:
        identities, problems = parse_container_credentials(path.read_bytes())
    except (OSError, CredentialsConfigError) as error:
        problem = getattr(error, "strerror", None) or error
        raise UnusableInput(f"--watch-container-credentials-config: {path}: {problem}") from error
    for problem in problems:
        notice(f"{path}: {problem}")
    return identities


async def _namespaces(client: KubernetesClient, namespace: str, notice: Notice) -> dict[str, Namespace] | None:
    """Returns the namespaces; None if RBAC forbids to read them. Raises UnusableInput if `namespace` does not exist."""
    try:
        if not namespace:
            return await list_namespaces(client)
        found = await read_namespace(client, namespace, seconds=_SECONDS)
    except ApiError as error:
        if error.status != 403:
            raise
        notice(f"namespaceSelectors are not evaluated: {error}")
        return None
    if found is None:
        raise UnusableInput(f"there is no namespace {namespace}")
    return {namespace: found}
