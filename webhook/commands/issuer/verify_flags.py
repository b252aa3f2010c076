"""The flags of `issuer verify`."""

from typing import Final

from webhook.commands.certs.flags import SHOW_FLAGS
from webhook.commands.flags.flag import Flag, of_command

_TOKEN: Final = "The token"
_CONNECTION: Final = "The connection"
_OUTPUT: Final = "Output"
_ACCESS: Final = tuple(flag for flag in SHOW_FLAGS if flag.name in {"kubeconfig", "context", "kube-api"})

VERIFY_FLAGS: Final = (
    *of_command(
        "issuer",
        Flag("token", "string", "", "file with a token to verify too; - is standard input", _TOKEN, metavar="FILE"),
        Flag("live", "bool", "false", "requests a token from the cluster, and verifies it too", _TOKEN),
        Flag(
            "service-account",
            "string",
            "default/default",
            "ServiceAccount of the token that --live requests",
            _TOKEN,
            metavar="NAMESPACE/NAME",
        ),
        Flag(
            "audience", "string", "sts.amazonaws.com", "audience that the token must have: a client ID in IAM", _TOKEN
        ),
        Flag(
            "ca-file",
            "string",
            "",
            "CA certificates (PEM) that verify the servers; default is the system's",
            _CONNECTION,
            metavar="FILE",
        ),
        Flag(
            "connect-to",
            "string",
            "",
            "connects to this address instead of the issuer's host, and verifies the issuer's name there",
            _CONNECTION,
            metavar="HOST:PORT",
        ),
    ),
    *_ACCESS,
    *of_command(
        "issuer",
        Flag("output", "string", "text", "output format", _OUTPUT, choices=("text", "json"), short="o"),
        Flag(
            "color",
            "string",
            "auto",
            "colours; auto: on a terminal, unless NO_COLOR is set or TERM is dumb",
            _OUTPUT,
            choices=("auto", "always", "never"),
        ),
    ),
)
