"""The flags of `audit`."""

from typing import Final

from webhook.commands.flags.by_command import ADMISSION_FLAGS
from webhook.commands.flags.flag import Flag, of_command
from webhook.commands.flags.shared import ACCESS, COLOUR, FORMAT
from webhook.diagnosis.verdict import REASONS

_PODS: Final = "Which pods"
_CLUSTER: Final = "The cluster"
_OUTPUT: Final = "Output"
_EVICTION: Final = "Eviction"

AUDIT_FLAGS: Final = (
    *of_command(
        "audit",
        Flag(
            "namespace",
            "string",
            "",
            "namespace of the pods; the default is the namespace of the kubeconfig's context",
            _PODS,
            short="n",
        ),
        Flag("all-namespaces", "bool", "false", "the pods of every namespace", _PODS, short="A"),
        Flag(
            "leave-out",
            "list",
            "",
            "leaves out findings with one of these reasons, separated by commas",
            _PODS,
            choices=REASONS,
            metavar="REASON,...",
        ),
        Flag("events", "bool", "false", "reports the findings as Events on the owners of the pods", _OUTPUT),
        Flag(
            "evict",
            "bool",
            "false",
            "evicts pods that are not injected, one of an owner at a time, so that their owners make new ones",
            _EVICTION,
            consent=True,
        ),
        Flag("dry-run", "bool", "false", "evicts by server-side dry run only: PodDisruptionBudgets count", _EVICTION),
        Flag("limit", "int", "0", "maximum number of evictions; 0 means any number", _EVICTION),
        Flag(
            "evict-changed",
            "bool",
            "false",
            "also evicts pods with other values than they would get",
            _EVICTION,
            consent=True,
        ),
        Flag(
            "evict-single-replicas",
            "bool",
            "false",
            "also evicts the only replica of a workload",
            _EVICTION,
            consent=True,
        ),
        Flag(
            "timeout",
            "duration",
            "5m",
            "how long to wait for a PodDisruptionBudget, and then for each new pod",
            _EVICTION,
        ),
        Flag("yes", "bool", "false", "evicts without a question before the first", _EVICTION, consent=True),
        FORMAT,
        COLOUR,
        Flag(
            "webhook-configuration",
            "string",
            "pod-identity-webhook",
            "name of the MutatingWebhookConfiguration",
            _CLUSTER,
        ),
        Flag(
            "config-map-namespace",
            "string",
            "eks",
            "namespace of the ConfigMap with role mappings; default is the webhook's, or eks if that cannot be read",
            _CLUSTER,
        ),
    ),
    *ACCESS,
    *ADMISSION_FLAGS,
)
