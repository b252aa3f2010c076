"""The flags of each sub-command of `certs`."""

from typing import Final

from webhook.commands.flags.by_command import SERVE_FLAGS
from webhook.commands.flags.flag import Flag, of_command
from webhook.commands.flags.shared import ACCESS, FORMAT

_INSTALLATION: Final = "Which webhook"
_CERTIFICATES: Final = "Certificates"

_OF_SERVE: Final = {flag.name: flag for flag in SERVE_FLAGS}
_NAMESPACE: Final = Flag(
    "namespace",
    "string",
    # Where the chart's README installs the webhook. The default of `serve` is that of the Go webhook.
    "pod-identity-webhook",
    "namespace of the webhook; in a pod, the default is the pod's own",
    _INSTALLATION,
    short="n",
)
_SERVICE: Final = Flag(
    "service-name", "string", "pod-identity-webhook", "name of its Service and its Deployment", _INSTALLATION
)

_ADDRESS: Final = Flag(
    "address",
    "string",
    "",
    "where to ask for the served certificate; default is the Service, SERVICE-NAME.NAMESPACE.svc:443",
    _INSTALLATION,
    metavar="HOST:PORT",
)

# The chart sets their variables in the pod, where nothing else tells who makes the certificate.
ORIGIN_FLAGS: Final = (
    Flag(
        "certificate-kind",
        "string",
        "auto",
        "who makes the certificate; by default, the command finds out",
        _INSTALLATION,
        choices=("auto", "self-managed", "cert-manager", "existing-secret", "values"),
    ),
    Flag(
        "certificate-secret",
        "string",
        "",
        "name of the Secret with the certificate, if the webhook does not make it; default is the one that pods mount",
        _INSTALLATION,
    ),
)

SHOW_FLAGS: Final = (
    _NAMESPACE,
    _SERVICE,
    Flag(
        "tls-secret",
        "string",
        _OF_SERVE["tls-secret"].default,
        "name of the Secret that the replicas share, with the certificate if they make it; if empty, it is not read",
        _INSTALLATION,
    ),
    *ORIGIN_FLAGS,
    Flag(
        "webhook-configuration",
        "string",
        "pod-identity-webhook",
        "name of the MutatingWebhookConfiguration whose caBundle verifies it",
        _INSTALLATION,
    ),
    *of_command("certs", _ADDRESS),
    *ACCESS,
    *of_command("certs", FORMAT),
)

ROTATE_FLAGS: Final = (
    *of_command("certs", Flag("ca", "bool", "false", "rotates the CA too, not only the leaf", _CERTIFICATES)),
    _NAMESPACE,
    _SERVICE,
    Flag("tls-secret", "string", _OF_SERVE["tls-secret"].default, "name of the Secret that holds both", _INSTALLATION),
    *ORIGIN_FLAGS,
    *ACCESS,
)

ISSUE_FLAGS: Final = (
    *of_command(
        "certs",
        Flag(
            "names",
            "string",
            "",
            "DNS names and IP addresses, separated by commas, instead of those of the Service",
            _CERTIFICATES,
        ),
        Flag("lifetime", "duration", "2160h", "how long the leaf is valid; never longer than its CA", _CERTIFICATES),
        Flag("force", "bool", "false", "makes a new CA and a new leaf, and overwrites existing files", _CERTIFICATES),
        FORMAT,
    ),
    Flag("ca-lifetime", "duration", "87600h", "how long a new CA is valid", _CERTIFICATES),
    Flag(
        "namespace",
        "string",
        _OF_SERVE["namespace"].default,
        "namespace that the webhook runs in",
        _INSTALLATION,
        short="n",
    ),
    Flag("service-name", "string", "pod-identity-webhook", "name of its Service", _INSTALLATION),
)
