"""aws-iam-authenticator prints what docs/troubleshooting.md quotes, if the pod that it runs in lacks its role."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.aws.authenticator import iam_authenticator
from tests.docs.messages import PAGE, entries, is_quoted

TITLE = "could not get token"
VARIABLES = {
    "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/shop-reports",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
    "AWS_ROLE_SESSION_NAME": "reports-0",
}
# What the SDK says, with the container's variables.
CASES = {"NoCredentialProviders": {}, "unable to read file at": VARIABLES}


@pytest.mark.parametrize("words", CASES)
def test_it_prints_the_quoted_message(words: str, tmp_path: Path) -> None:
    (quote,) = entries()[TITLE].messages

    done = subprocess.run(
        [iam_authenticator(), "token", "--cluster-id", "other-cluster"],
        env={"HOME": str(tmp_path), "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", **CASES[words]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert is_quoted(quote, done.stderr.strip())
    assert words in done.stderr


def test_the_entry_says_what_each_of_the_words_means() -> None:
    _, entry = PAGE.read_text(encoding="utf-8").split(f"### {TITLE}\n")
    cause = " ".join(entry.partition("**Proof.**")[0].split())

    assert re.findall(r"`([^`]+)` is \[", cause) == list(CASES)
