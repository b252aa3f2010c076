"""The flags of each sub-command of `trust-policy`.

Where two sub-commands have different values for a flag of the same name, its variable carries the sub-command's name.
"""

from typing import Final

from webhook.commands.flags.flag import Flag, of_command
from webhook.commands.flags.shared import COLOUR, FORMAT

_PROVIDER: Final = "The OIDC provider in IAM"
_TOKEN: Final = "Whose token"
_OUTPUT: Final = "Output"
_COMMAND: Final = "trust-policy"

_AUDIENCE: Final = Flag("audience", "string", "sts.amazonaws.com", "the token's audience (aud)", _TOKEN)
_SHOWN: Final = (
    FORMAT,
    COLOUR,
)

RENDER_FLAGS: Final = (
    *of_command(
        _COMMAND,
        Flag(
            "issuer",
            "string",
            "",
            "the URL that is the API server's --service-account-issuer, to the letter",
            _PROVIDER,
            metavar="URL",
        ),
        Flag("account", "string", "", "the role's account, which has the provider: 12 digits", _PROVIDER),
        Flag("partition", "string", "aws", "the partition, such as aws-cn or aws-us-gov", _PROVIDER),
    ),
    *of_command(
        f"{_COMMAND}-render",
        Flag(
            "service-account",
            "list",
            "",
            "who may assume the role: NAMESPACE/NAME; NAMESPACE/* is all of a namespace, */NAME is that name in all "
            "namespaces; may be given several times",
            _TOKEN,
            metavar="NAMESPACE/NAME",
            repeatable=True,
        ),
    ),
    *of_command(_COMMAND, _AUDIENCE),
    *of_command(
        f"{_COMMAND}-render",
        Flag(
            "output",
            "string",
            "json",
            "output format: the policy as JSON, or Terraform's data source aws_iam_policy_document",
            _OUTPUT,
            choices=("json", "terraform"),
            short="o",
        ),
    ),
)

LINT_FLAGS: Final = of_command(_COMMAND, *_SHOWN)

EXPLAIN_FLAGS: Final = (
    *of_command(
        _COMMAND,
        Flag("token", "string", "", "file with the token of a pod; - is standard input", _TOKEN, metavar="FILE"),
    ),
    *of_command(
        f"{_COMMAND}-explain",
        Flag(
            "service-account",
            "string",
            "",
            "instead of --token: the ServiceAccount whose token it would be; needs --issuer",
            _TOKEN,
            metavar="NAMESPACE/NAME",
        ),
    ),
    *of_command(
        _COMMAND,
        Flag("issuer", "string", "", "the issuer's URL, for --service-account", _TOKEN, metavar="URL"),
        Flag("audience", "string", "sts.amazonaws.com", "the audience (aud), for --service-account", _TOKEN),
        Flag("role-session-name", "string", "", "the session's name; unknown by default", _TOKEN),
        Flag(
            "account",
            "string",
            "",
            "the account with the OIDC provider; default is that of the policy's provider",
            _PROVIDER,
        ),
        Flag("partition", "string", "", "its partition; default is that of the policy's provider", _PROVIDER),
        *_SHOWN,
    ),
)
