"""Wrong use of the flags of `replay`, beyond what each flag refuses by itself."""

import re
from collections.abc import Iterator

from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.commands.flags.parsing import Parsed


def check_usage(parsed: Parsed) -> None:
    """Adds a line to the problems of `parsed` for each wrong use of the flags."""
    values = parsed.values
    if not parsed.positionals:
        parsed.problems.append("name at least one FILE, or '-' for standard input")
    if parsed.positionals.count("-") > 1:
        parsed.problems.append("'-': standard input can be read only once")
    if not is_dns_label(values["namespace"]):
        parsed.problems.append(f"--namespace: {values['namespace']!r} is not a namespace's name (DNS label)")
    if values["ca"] and not values["url"]:
        parsed.problems.append("--ca: can be used only with --url")
    if values["url"] and not re.fullmatch(r"https://[^/]+/.+", values["url"]):
        parsed.problems.append(f"--url: {values['url']!r} is not of the form https://HOST:PORT/mutate")
    if values["url"] and values["service_accounts"]:
        parsed.problems.append("--service-accounts: cannot be used with --url, whose webhook has its own")
    if values["live"] and values["url"]:
        parsed.problems.append("--live: cannot be used with --url, whose webhook reads the cluster itself")
    if not is_dns_label(values["config_map_namespace"]):
        parsed.problems.append(f"--config-map-namespace: {values['config_map_namespace']!r} is not a namespace's name")
    if not is_dns_subdomain(values["config_map_name"]):
        parsed.problems.append(f"--config-map-name: {values['config_map_name']!r} is not a ConfigMap's name")
    parsed.problems += _of_cluster(parsed)
    if values["update"] and not values["expect"]:
        parsed.problems.append("--update: needs --expect, the folder with the golden files")
    if values["expect"] and values["output"] == "github":
        parsed.problems.append("--output: github has no golden files, so it cannot be used with --expect")


def _of_cluster(parsed: Parsed) -> Iterator[str]:
    """Yields a line for each wrong use of the flags for a cluster."""
    values = parsed.values
    if values["ca_from_cluster"] and not values["url"]:
        yield "--ca-from-cluster: can be used only with --url"
    if values["ca_from_cluster"] and values["ca"]:
        yield "--ca-from-cluster: cannot be used with --ca"
    if values["server_name"] and not values["url"]:
        yield "--server-name: can be used only with --url"
    if values["server_name"] and not is_dns_subdomain(values["server_name"]):
        yield f"--server-name: {values['server_name']!r} is not a DNS name"
    if not is_dns_subdomain(values["webhook_configuration"]):
        yield f"--webhook-configuration: {values['webhook_configuration']!r} is not an object's name (DNS subdomain)"
