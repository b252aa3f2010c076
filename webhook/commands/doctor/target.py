"""What `doctor` is asked about: the installation, a ServiceAccount, a pod, or a workload's newest pod."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from webhook.admission.names import is_dns_label, is_dns_subdomain

Kind: TypeAlias = Literal["serviceaccount", "pod", "deployment", "statefulset", "daemonset"]

_KINDS: Final[dict[str, Kind]] = {
    "serviceaccount": "serviceaccount",
    "serviceaccounts": "serviceaccount",
    "sa": "serviceaccount",
    "pod": "pod",
    "pods": "pod",
    "po": "pod",
    "deployment": "deployment",
    "deployments": "deployment",
    "deploy": "deployment",
    "statefulset": "statefulset",
    "sts": "statefulset",
    "daemonset": "daemonset",
    "ds": "daemonset",
}
_FORMS: Final = "serviceaccount NS/NAME, pod NS/NAME, deployment NS/NAME, or KIND/NAME with --namespace"


@dataclass(frozen=True, slots=True)
class Target:
    """An object by kind, namespace ("" for the default one) and name."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def target_of(words: Sequence[str], namespace: str, problems: list[str]) -> Target | None:
    """Returns what the arguments name, in `namespace` unless they say otherwise; None for none. Adds problems."""
    if not words:
        return None
    kind, slash, rest = words[0].partition("/")
    known = _KINDS.get(kind.lower())
    parts = ([rest] if slash else []) + list(words[1:])
    if known is None or len(parts) != 1 or parts[0].count("/") > 1:
        problems.append(f"{' '.join(words)!r} is none of: {_FORMS}")
        return None
    within, slash, name = parts[0].rpartition("/")
    if slash and namespace and within != namespace:
        problems.append(f"--namespace: {namespace!r} is not the namespace in {parts[0]!r}")
    within = within if slash else namespace
    if (slash or within) and not is_dns_label(within):
        problems.append(f"{within!r} is not a namespace's name (DNS label)")
    elif not is_dns_subdomain(name):
        problems.append(f"{name!r} is not an object's name (DNS subdomain)")
    return Target(known, within, name)
