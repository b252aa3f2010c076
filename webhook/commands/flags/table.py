"""Which flags each command takes: those of its settings, and its own."""

from typing import Final

from webhook.admission.settings import Settings
from webhook.commands.flags.flag import Flag, flags_of
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
    Flag(name, kind, default, "no meaning here", _IGNORED) for name, (kind, default) in _IGNORED_KINDS.items()
)

SERVE_FLAGS: Final = (
    *flags_of(Settings),
    *flags_of(ServerSettings),
    Flag(
        "in-cluster",
        "bool",
        "true",
        "certificates that look after themselves, signed by a CA of our own; the default in a cluster, unless "
        "--tls-cert or --tls-key is given",
        "Certificates",
    ),
    Flag("resync-period", "duration", "1m", "accepted for compatibility: a watch needs no resync", _CLUSTER),
    Flag("v", "int", "0", "log verbosity: 3 logs each decision, 5 is for debugging", _LOG, short="v"),
    Flag("log-format", "string", "text", "format of the log lines", _LOG, choices=("text", "json")),
    *_IGNORED_FLAGS,
)

_REPLAY: Final = "Input and output"

REPLAY_FLAGS: Final = (
    Flag(
        "service-accounts",
        "string",
        "",
        "file or folder of manifests with more ServiceAccounts (and the ConfigMap)",
        _REPLAY,
        metavar="PATH",
    ),
    Flag("namespace", "string", "default", "namespace of the objects that name none", _REPLAY),
    Flag(
        "output",
        "string",
        "diff",
        "what is shown of each: the pod before and after, the JSON Patch, the patched pod, or the whole answer",
        _REPLAY,
        choices=("diff", "patch", "pod", "review"),
        short="o",
    ),
    Flag("url", "string", "", "asks this running webhook (https://HOST:PORT/mutate) instead of deciding here", _REPLAY),
    Flag("ca", "string", "", "CA certificates (PEM) that verify it; else the system's", _REPLAY, metavar="FILE"),
    Flag(
        "live",
        "bool",
        "false",
        "takes ServiceAccounts and role mappings from a cluster, as kubectl would reach it",
        _REPLAY,
    ),
    Flag("kubeconfig", "string", "", "kubeconfig file for --live, else that of kubectl", _REPLAY, metavar="FILE"),
    Flag("context", "string", "", "context in it, else the current one", _REPLAY),
    Flag("kube-api", "string", "", "URL of the API server for --live, over the kubeconfig's", _REPLAY, metavar="URL"),
    Flag("config-map-namespace", "string", "eks", "namespace of the ConfigMap for --live: the webhook's", _REPLAY),
    Flag(
        "expect",
        "string",
        "",
        "compares with the golden files in this folder, and prints what differs",
        _REPLAY,
        metavar="DIR",
    ),
    Flag("update", "bool", "false", "writes the golden files instead", _REPLAY),
    *ADMISSION_FLAGS,
)


def is_ignored(flag: Flag) -> bool:
    """Whether the flag is only accepted, so that a manifest of the Go webhook starts us too."""
    return flag.group == _IGNORED
