"""The flags of `doctor`."""

from typing import Final

from webhook.commands.flags.flag import Flag, of_command
from webhook.commands.flags.shared import ACCESS, COLOUR, FORMAT

_WHAT: Final = "What to look at"
_AWS: Final = "AWS's side"
_ISSUER: Final = "The issuer"
_CLUSTER: Final = "The cluster"

DOCTOR_FLAGS: Final = (
    *of_command(
        "doctor",
        Flag(
            "namespace", "string", "", "namespace of the object; default is that of the kubeconfig's context", _WHAT,
            short="n",
        ),
        Flag(
            "symptom", "string", "", "an error message of a pod: says which step it points to, and starts there", _WHAT,
            metavar="TEXT",
        ),
        Flag(
            "trust-policy", "string", "", "the role's trust policy, as for 'trust-policy lint'", _AWS, metavar="FILE"
        ),
        Flag(
            "role-from-aws", "bool", "false", "reads the role and the OIDC provider with the aws CLI on the PATH", _AWS
        ),
        Flag(
            "assume-role", "bool", "false",
            "asks STS for the role, with a token that the cluster issues for the ServiceAccount", _AWS,
        ),
        Flag("issuer", "string", "", "the issuer's URL; default is the one in the token", _ISSUER, metavar="URL"),
        Flag(
            "ca-file", "string", "", "CA certificates (PEM) that verify the issuer's servers; default is the system's",
            _ISSUER, metavar="FILE",
        ),
        Flag(
            "connect-to", "string", "", "connects to this address instead of the issuer's host", _ISSUER,
            metavar="HOST:PORT",
        ),
    ),
    Flag(
        "webhook-configuration", "string", "pod-identity-webhook",
        "name of the MutatingWebhookConfiguration; the rest of the installation is found from it", _CLUSTER,
    ),
    *ACCESS,
    *of_command(
        "doctor",
        FORMAT,
        COLOUR,
    ),
)  # fmt: skip
