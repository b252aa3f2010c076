"""The flags of `issuer verify`."""

from typing import Final

from webhook.commands.flags.flag import Flag, of_command
from webhook.commands.flags.shared import ACCESS, COLOUR, FORMAT

_TOKEN: Final = "The token"

CONNECTION: Final = (
    Flag(
        "ca-file",
        "string",
        "",
        "CA certificates (PEM) that verify the servers; default is the system's",
        "The connection",
        metavar="FILE",
    ),
    Flag(
        "connect-to",
        "string",
        "",
        "connects to this address instead of the issuer's host, and verifies the issuer's name there",
        "The connection",
        metavar="HOST:PORT",
    ),
)
"""How to reach the issuer's servers; a command puts them through `of_command`."""

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
            "audience",
            "list",
            "sts.amazonaws.com",
            "client IDs of the IAM OIDC provider: the token must have one of them; may be given several times",
            _TOKEN,
            repeatable=True,
        ),
        *CONNECTION,
    ),
    *ACCESS,
    *of_command(
        "issuer",
        FORMAT,
        COLOUR,
    ),
)
