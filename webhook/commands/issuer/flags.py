"""The flags of each sub-command of `issuer`."""

from typing import Final

from webhook.commands.flags.flag import Flag, of_command
from webhook.commands.flags.shared import ACCESS, FORMAT
from webhook.commands.issuer.verify.flags import CONNECTION

_ISSUER: Final = "The issuer"
_KEYS: Final = "Its keys"
_AWS: Final = "AWS"
_RUN: Final = "Running"
_OUTPUT: Final = "Output"


RENDER_FLAGS: Final = (
    *of_command(
        "issuer",
        Flag(
            "issuer",
            "string",
            "",
            "the URL that is the API server's --service-account-issuer, to the letter",
            _ISSUER,
            metavar="URL",
        ),
        Flag(
            "public-key",
            "list",
            "",
            "PEM file with public keys, as in the API server's --service-account-key-file; may be given several times",
            _KEYS,
            metavar="FILE",
            repeatable=True,
        ),
        Flag(
            "jwks",
            "list",
            "",
            "JWKS file, whose kids are kept, or - for standard input; may be given several times",
            _KEYS,
            metavar="FILE",
            repeatable=True,
        ),
        Flag("live", "bool", "false", "takes the JWKS that the cluster's API server publishes", _KEYS),
        Flag(
            "output-dir",
            "string",
            "",
            "folder for the two documents, created if it is missing; - prints them instead",
            _OUTPUT,
            metavar="DIR",
        ),
        FORMAT,
    ),
    *ACCESS,
)

MERGE_FLAGS: Final = of_command(
    "issuer",
    Flag(
        "max-token-lifetime",
        "duration",
        "24h",
        "longest lifetime of a token that the old key signs; pods of this webhook have 24h by default",
        _KEYS,
    ),
    Flag(
        "switched-at",
        "string",
        "",
        "when the last API server began to sign with the new key, such as 2026-01-31T12:00:00Z: the report then has "
        "times",
        _KEYS,
        metavar="TIME",
    ),
    Flag(
        "output-file",
        "string",
        "-",
        "file for the merged JWKS, which may be OLD; by default it is printed, and the report goes to standard error",
        _OUTPUT,
        metavar="FILE",
    ),
    FORMAT,
)

PUBLISH_FLAGS: Final = of_command(
    "issuer",
    Flag("bucket", "string", "", "name of the S3 bucket for the documents", _AWS, metavar="NAME"),
    Flag("region", "string", "", "region of the bucket; its partition follows from it", _AWS),
    Flag(
        "prefix",
        "string",
        "",
        "path in the bucket, and so in the issuer URL: clusters can share a bucket",
        _AWS,
        metavar="PATH",
    ),
    Flag(
        "cloudfront",
        "bool",
        "false",
        "a private bucket behind a CloudFront distribution; without --distribution, the commands make the distribution",
        _AWS,
    ),
    Flag(
        "distribution",
        "string",
        "",
        "the CloudFront distribution that serves the bucket, for --cloudfront",
        _AWS,
        metavar="ARN",
    ),
    Flag(
        "client-id",
        "list",
        "sts.amazonaws.com",
        "client ID of the IAM OIDC provider: the audience of the tokens; may be given several times",
        _AWS,
        repeatable=True,
    ),
    Flag(
        "input-dir",
        "string",
        "",
        "folder that issuer render has written; not needed to make a distribution",
        _ISSUER,
        metavar="DIR",
    ),
    Flag("existing-bucket", "bool", "false", "leaves out the command that creates the bucket", _AWS),
    Flag(
        "only-documents",
        "bool",
        "false",
        "only uploads the documents again, as in a key rotation: all else exists",
        _AWS,
    ),
    Flag("run", "bool", "false", "runs the commands with the aws on the PATH, after a question", _RUN, consent=True),
    Flag("yes", "bool", "false", "does not ask", _RUN, short="y", consent=True),
    FORMAT,
)

THUMBPRINT_FLAGS: Final = of_command("issuer", *CONNECTION, FORMAT)
