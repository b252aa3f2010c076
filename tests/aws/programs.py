"""The real AWS CLI and boto3, run as a container runs them: with its environment, and a home without a cache."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Environ = Mapping[str, str]

# Prints the caller's identity as JSON; an error as the class of botocore's exception and its text.
_BOTO3: Final = """
import boto3, botocore.exceptions, json, sys
try:
    identity = boto3.client("sts").get_caller_identity()
except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
del identity["ResponseMetadata"]
print(json.dumps(identity))
"""


@dataclass(frozen=True)
class Outcome:
    """How a program ended. `error` is its standard error, without white space around it."""

    code: int
    output: str
    error: str

    def identity(self) -> dict[str, Any]:
        """Returns the answer of GetCallerIdentity. Fails if the program did."""
        assert (self.code, self.error) == (0, ""), self
        answer: dict[str, Any] = json.loads(self.output)
        return answer


@dataclass(frozen=True)
class AwsPrograms:
    """The programs of the environment in `folder`, for an STS at the URL `sts`."""

    folder: Path
    sts: str

    def cli(self, container: Environ, *words: str) -> Outcome:
        """Runs `aws` with the container's variables; by default, it asks who it is."""
        return self._run(container, "aws", *(words or ("sts", "get-caller-identity", "--output", "json")))

    def boto3(self, container: Environ) -> Outcome:
        """Asks with boto3 who it is, with the container's variables."""
        return self._run(container, "python", "-c", _BOTO3)

    def _run(self, container: Environ, program: str, *words: str) -> Outcome:
        # The CLI caches credentials in its home: with a used one, it would work although STS refuses.
        with tempfile.TemporaryDirectory(prefix="home-") as home:
            done = subprocess.run(
                [self.folder / "bin" / program, *words],
                env={
                    "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
                    "HOME": home,
                    "AWS_ENDPOINT_URL_STS": self.sts,
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_EC2_METADATA_DISABLED": "true",
                    **container,
                },
                cwd=home,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )
        return Outcome(done.returncode, done.stdout, done.stderr.strip())
