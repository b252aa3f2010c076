"""The flags of `serve` and `replay`: those of their settings, and their own."""

from typing import Final

from webhook.admission.settings import Settings
from webhook.commands.flags.flag import Flag, flags_of, of_command
from webhook.flag_field import Kind
from webhook.server.settings import ServerSettings, SourceSettings

_CLUSTER: Final = "The cluster"
_LOG: Final = "Logging"
_IGNORED: Final = "Accepted and ignored (klog's)"

ADMISSION_FLAGS: Final = (*flags_of(Settings), *flags_of(SourceSettings))

_IGNORED_KINDS: Final[dict[str, tuple[Kind, str]]] = {
    "logtostderr": ("bool", "true"),
    "alsologtostderr": ("bool", "false"),
    "alsologtostderrthreshold": ("string", ""),
    "stderrthreshold": ("string", "2"),
    "add-dir-header": ("bool", "false"),
    "log-dir": ("string", ""),
    "log-file": ("string", ""),
    "log-file-max-size": ("int", "1800"),
    "log-backtrace-at": ("string", ":0"),
    "one-output": ("bool", "false"),
    "legacy-stderr-threshold-behavior": ("bool", "true"),
    "skip-headers": ("bool", "false"),
    "skip-log-headers": ("bool", "false"),
    "vmodule": ("string", ""),
}
_IGNORED_FLAGS: Final = tuple(
    Flag(name, kind, default, "has no effect", _IGNORED) for name, (kind, default) in _IGNORED_KINDS.items()
)

SERVE_FLAGS: Final = (
    *flags_of(Settings),
    *flags_of(ServerSettings),
    Flag(
        "in-cluster",
        "bool",
        "true",
        "self-managed certificates, signed by our own CA; the default in a cluster, unless another certificate or "
        "--service-accounts is set",
        "Certificates",
    ),
    Flag("resync-period", "duration", "1m", "accepted for compatibility: a watch needs no resync", _CLUSTER),
    Flag(
        "v",
        "int",
        "0",
        "log verbosity: 3 logs each decision, 5 also logs debugging output of the libraries",
        _LOG,
        short="v",
    ),
    Flag("log-format", "string", "text", "format of the log lines", _LOG, choices=("text", "json")),
    *_IGNORED_FLAGS,
)

_REPLAY: Final = "Input and output"
# Which cluster: these mean the same in all commands.
_ACCESS: Final = frozenset({"kubeconfig", "context", "kube-api"})
_FOR_CLUSTER: Final = " for --live and --ca-from-cluster"

_REPLAY_FLAGS: Final = (
    Flag(
        "service-accounts",
        "string",
        "",
        "file or folder of manifests with more ServiceAccounts (and the ConfigMap)",
        _REPLAY,
        metavar="PATH",
    ),
    Flag(
        "namespace",
        "string",
        "default",
        "namespace of objects that have none; with --live, the default is the namespace of the kubeconfig's context",
        _REPLAY,
        short="n",
    ),
    Flag(
        "output",
        "string",
        "diff",
        "what to show for each: the pod before and after, the JSON Patch, the patched pod, or the whole answer; or of "
        "all: JSON with reasons, or annotations for GitHub Actions",
        _REPLAY,
        choices=("diff", "patch", "pod", "review", "json", "github"),
        short="o",
    ),
    Flag(
        "fail-on",
        "list",
        "",
        "exit code 1 if one of these occurs, separated by commas: unchanged, not-found (unchanged because there is no "
        "such ServiceAccount), not-called, uncertain, warning, skipped",
        _REPLAY,
        choices=("unchanged", "not-found", "not-called", "uncertain", "warning", "skipped"),
        metavar="WORD,...",
    ),
    Flag(
        "color",
        "string",
        "auto",
        "colours in the output diff; auto: on a terminal, unless NO_COLOR is set or TERM is dumb",
        _REPLAY,
        choices=("auto", "always", "never"),
    ),
    Flag("recursive", "bool", "false", "reads the folders in a folder too", _REPLAY, short="R"),
    Flag("url", "string", "", "asks this running webhook (https://HOST:PORT/mutate) instead of deciding here", _REPLAY),
    Flag(
        "ca", "string", "", "CA certificates (PEM) that verify --url; default is the system's", _REPLAY, metavar="FILE"
    ),
    Flag(
        "ca-from-cluster",
        "bool",
        "false",
        "verifies --url with the caBundle in the cluster; the default of --server-name is then the name of its Service",
        _REPLAY,
    ),
    Flag(
        "server-name",
        "string",
        "",
        "name in the certificate of --url, if the URL has another host: SERVICE.NAMESPACE.svc",
        _REPLAY,
        metavar="NAME",
    ),
    Flag(
        "live",
        "bool",
        "false",
        "answers as this cluster would now: reads its ServiceAccounts, role mappings, namespaces, "
        "MutatingWebhookConfiguration and the webhook's flags, with the same access as kubectl",
        _REPLAY,
    ),
    Flag(
        "webhook-configuration",
        "string",
        "pod-identity-webhook",
        "name of the MutatingWebhookConfiguration, for --live and --ca-from-cluster",
        _REPLAY,
    ),
    Flag("kubeconfig", "string", "", f"kubeconfig file{_FOR_CLUSTER}; default is kubectl's", _REPLAY, metavar="FILE"),
    Flag("context", "string", "", "context in the kubeconfig; default is the current one", _REPLAY),
    Flag(
        "kube-api",
        "string",
        "",
        f"URL of the API server{_FOR_CLUSTER}; overrides the kubeconfig's",
        _REPLAY,
        metavar="URL",
    ),
    Flag(
        "config-map-namespace",
        "string",
        "eks",
        "namespace of the ConfigMap for --live; default is the webhook's, or eks if that cannot be read",
        _REPLAY,
    ),
    Flag(
        "expect",
        "string",
        "",
        "compares with the golden files in this folder, and prints the differences",
        _REPLAY,
        metavar="DIR",
    ),
    Flag(
        "update",
        "bool",
        "false",
        "writes the golden files instead, and removes those it wrote earlier for objects that are gone",
        _REPLAY,
    ),
)
REPLAY_FLAGS: Final = (
    *(flag if flag.name in _ACCESS else of_command("replay", flag)[0] for flag in _REPLAY_FLAGS),
    *ADMISSION_FLAGS,
)


def is_ignored(flag: Flag) -> bool:
    """Whether the flag has no effect; we accept it so that manifests for the Go webhook also start ours."""
    return flag.group == _IGNORED
