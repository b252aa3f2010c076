"""Every flag, by the commands that take it: the Go webhook's, with its names and defaults, and ours."""

from typing import Final

from webhook.admission.mapping import CONFIG_MAP_NAME
from webhook.admission.settings import INVALID_ROLE_ARN_CHOICES, Settings
from webhook.commands.flags.parsing import Flag, Kind

_ADMISSION: Final = "What pods get"
_CONTAINER: Final = "Container credentials (EKS Pod Identity)"
_LISTEN: Final = "Listening"
_TLS: Final = "Certificates"
_SOURCES: Final = "Where roles come from"
_CLUSTER: Final = "The cluster"
_LOG: Final = "Logging"
_IGNORED: Final = "Accepted and ignored (klog's)"

_d: Final = Settings()

ADMISSION_FLAGS: Final = (
    Flag("annotation-prefix", "string", _d.annotation_prefix, "prefix of our annotations and labels", _ADMISSION),
    Flag(
        "token-audience",
        "string",
        _d.token_audience,
        "audience of the token, unless the ServiceAccount is annotated otherwise",
        _ADMISSION,
    ),
    Flag(
        "token-expiration",
        "int",
        str(_d.token_expiration),
        "lifetime of the token in seconds, unless annotated otherwise; below 600 counts as 600",
        _ADMISSION,
    ),
    Flag("token-mount-path", "string", _d.token_mount_path, "folder in the containers where the token is", _ADMISSION),
    Flag("aws-default-region", "string", "", "sets AWS_DEFAULT_REGION and AWS_REGION where not empty", _ADMISSION),
    Flag(
        "sts-regional-endpoint",
        "bool",
        "false",
        "sets AWS_STS_REGIONAL_ENDPOINTS=regional, unless annotated otherwise",
        _ADMISSION,
    ),
    Flag(
        "invalid-role-arn",
        "string",
        _d.invalid_role_arn,
        "what to do with a role ARN that makes no sense: inject it all the same, with a warning, or skip the pod",
        _ADMISSION,
        choices=INVALID_ROLE_ARN_CHOICES,
    ),
    Flag(
        "compose-role-arn",
        "bool",
        "false",
        "takes an annotation without arn: as the role's name or path in this account",
        _ADMISSION,
    ),
    Flag("aws-account-id", "string", "", "the account for --compose-role-arn; asked of IMDSv2 where empty", _ADMISSION),
    Flag(
        "aws-partition",
        "string",
        "",
        "the partition for --compose-role-arn; where empty, that of the region",
        _ADMISSION,
    ),
    Flag(
        "watch-config-map",
        "bool",
        "false",
        "takes role mappings from a ConfigMap too",
        _SOURCES,
    ),
    Flag("config-map-name", "string", CONFIG_MAP_NAME, "name of that ConfigMap", _SOURCES),
    Flag(
        "watch-container-credentials-config",
        "string",
        "",
        "JSON file that lists the ServiceAccounts with container credentials",
        _CONTAINER,
        metavar="FILE",
    ),
    Flag(
        "container-credentials-audience",
        "string",
        _d.container_credentials_audience,
        "audience of the token",
        _CONTAINER,
    ),
    Flag(
        "container-credentials-token-mount-path",
        "string",
        _d.container_credentials_token_mount_path,
        "folder in the containers where the token is",
        _CONTAINER,
    ),
    Flag(
        "container-credentials-token-volume-name",
        "string",
        _d.container_credentials_token_volume_name,
        "name of the token's volume",
        _CONTAINER,
    ),
    Flag(
        "container-credentials-token-path",
        "string",
        _d.container_credentials_token_path,
        "path of the token in that folder",
        _CONTAINER,
    ),
    Flag(
        "container-credentials-full-uri",
        "string",
        _d.container_credentials_full_uri,
        "value of AWS_CONTAINER_CREDENTIALS_FULL_URI",
        _CONTAINER,
    ),
)

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
    *ADMISSION_FLAGS,
    Flag(
        "service-accounts",
        "string",
        "",
        "standalone, without a cluster: file or folder of manifests to take ServiceAccounts (and the ConfigMap) from",
        _SOURCES,
        metavar="PATH",
    ),
    Flag("bind-address", "string", "", "address of all listeners; empty is every one, IPv4 and IPv6", _LISTEN),
    Flag("port", "port", "443", "HTTPS: /mutate, /healthz", _LISTEN),
    Flag("metrics-port", "port", "9999", "HTTP: /metrics, /healthz, /readyz", _LISTEN),
    Flag(
        "drain-period",
        "duration",
        "10s",
        "on SIGTERM: how long clients are told to close their connections before we do",
        _LISTEN,
    ),
    Flag("enable-debugging-handlers", "bool", "false", "serves /debug/alpha/cache on the metrics port", _LISTEN),
    Flag(
        "tls-cert", "string", "/etc/webhook/certs/tls.crt", "certificate file (PEM), read again when it changes", _TLS
    ),
    Flag("tls-key", "string", "/etc/webhook/certs/tls.key", "private key file (PEM)", _TLS),
    Flag(
        "tls-ca",
        "string",
        "",
        "CA certificates (PEM) that verify --tls-cert, to be kept in the caBundle; read again when they change",
        _TLS,
        metavar="FILE",
    ),
    Flag(
        "ephemeral-certificate",
        "string",
        "",
        "makes a CA and a certificate for localhost at start, and writes ca.crt, tls.crt and tls.key to this folder",
        _TLS,
        metavar="DIR",
    ),
    Flag(
        "certificate-names",
        "string",
        "",
        "more DNS names and IP addresses for the certificates that we make, with commas between",
        _TLS,
    ),
    Flag(
        "in-cluster",
        "bool",
        "true",
        "certificates that look after themselves, by a CA of our own; true in a cluster, unless --tls-cert or --tls-key"
        " is given",
        _TLS,
    ),
    Flag("tls-secret", "string", "pod-identity-webhook", "name of the Secret in which replicas share them", _TLS),
    Flag(
        "webhook-configuration",
        "string",
        "pod-identity-webhook",
        "name of the MutatingWebhookConfiguration whose caBundle we keep right",
        _TLS,
    ),
    Flag("ca-lifetime", "duration", "87600h", "how long our CA is valid; it is replaced after two thirds", _TLS),
    Flag("certificate-lifetime", "duration", "2160h", "the same of the certificates that it signs", _TLS),
    Flag(
        "ca-settle",
        "duration",
        "6m0s",
        "how long a new CA is in the caBundle before it signs: every API server must have seen it",
        _TLS,
    ),
    Flag(
        "client-ca",
        "string",
        "",
        "CA certificates (PEM), read again when they change: only clients with a certificate of theirs may call",
        _TLS,
        metavar="FILE",
    ),
    Flag("tls-min-version", "string", "1.2", "lowest TLS version, as 1.2 or VersionTLS12; 1.2 at least", _TLS),
    Flag(
        "tls-cipher-suites", "string", "", "TLS 1.2 cipher suites, Go's or OpenSSL's names, with commas between", _TLS
    ),
    Flag("namespace", "string", "eks", "namespace that the webhook runs in", _CLUSTER),
    Flag("service-name", "string", "pod-identity-webhook", "name of the webhook's Service", _CLUSTER),
    Flag("kubeconfig", "string", "", "kubeconfig file, where it does not run in the cluster", _CLUSTER, metavar="FILE"),
    Flag("kube-api", "string", "", "URL of the API server, over the kubeconfig's", _CLUSTER, metavar="URL"),
    Flag("resync-period", "duration", "1m0s", "accepted for compatibility: a watch needs no resync", _CLUSTER),
    Flag(
        "service-account-lookup-timeout",
        "duration",
        "1s",
        "how long a pod waits for a ServiceAccount that is not known yet",
        _CLUSTER,
    ),
    Flag(
        "service-account-lookup-grace-period",
        "duration",
        "0s",
        "how much longer it waits for one that the API server does not know yet either",
        _CLUSTER,
    ),
    Flag("v", "int", "0", "log verbosity: 3 says each decision, 5 is for debugging", _LOG, short="v"),
    Flag("log-format", "string", "text", "how log lines look", _LOG, choices=("text", "json")),
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
