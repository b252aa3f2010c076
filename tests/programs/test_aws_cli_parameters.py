"""The real AWS CLI accepts the parameters of each aws command of docs/self-managed.md. No AWS account is asked."""

import shlex
from pathlib import Path

import pytest

from tests.aws.programs import AwsPrograms
from tests.docs.pages import commands
from tests.docs.refusing_endpoint import refusing
from tests.docs.self_managed import PAGE

DISCOVERY = ".well-known/openid-configuration"
# The service in the signature of a command's request, if it has another name.
SIGNED_FOR = {"s3api": "s3", "cloudwatch": "monitoring", "sts": "unsigned"}
AWS = [line for line in commands(PAGE) if line.startswith("aws ")]


@pytest.mark.parametrize("command", sorted(set(AWS)), ids=lambda command: " ".join(command.split()[1:3]))
def test_the_aws_cli_accepts_the_parameters(command: str, aws: Path, tmp_path: Path) -> None:
    for path in ("trust.json", "token", "issuer/openid/v1/jwks", f"issuer/{DISCOVERY}"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("of the page")
    words = [
        f"{tmp_path}/{word}" if word.startswith("issuer/") else word.replace("file://", f"file://{tmp_path}/")
        for word in shlex.split(command.partition(" > ")[0])[1:]
    ]
    with refusing() as (url, arrived):
        keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_ENDPOINT_URL": url}
        done = AwsPrograms(aws, url).cli(keys, *words)

    assert arrived == [SIGNED_FOR.get(words[0], words[0])], done.error
