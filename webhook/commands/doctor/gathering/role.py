"""Reads the role's trust policy and its account's provider: from a file, or with the AWS CLI. Both only read."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from webhook.diagnosis.doctor.facts import Role
from webhook.diagnosis.doctor.read import Read
from webhook.errors import UnusableInput, WebhookError
from webhook.issuer.trust_policy.provider import ProviderArn, parse_provider_arn

_SECONDS: Final = 30
_NO_SUCH: Final = "NoSuchEntity"
_MAX_BYTES: Final = 1024 * 1024


def role_of_file(name: str) -> Role:
    """Returns the role with the trust policy in a file. Raises UnusableInput."""
    try:
        with Path(name).open("rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise UnusableInput(f"{name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UnusableInput(f"{name}: is not UTF-8") from error
    return Role(source=name, policy=Read(text))


async def role_of_aws(role_arn: str, provider: ProviderArn | None, environ: Mapping[str, str]) -> Role:
    """Asks IAM for the role and for the provider of the issuer; changes nothing."""
    aws = shutil.which("aws", path=environ.get("PATH", ""))
    source = "aws iam get-role"
    if aws is None:
        reason = "there is no aws on the PATH: install the AWS CLI, or give --trust-policy FILE"
        return Role(source=source, policy=Read(None, reason), client_ids=Read(None, reason))
    policy = await _policy(aws, role_arn, environ)
    if provider is None:
        return Role(source=source, policy=policy)
    arn = ("--open-id-connect-provider-arn", str(provider))
    read = await _ask(aws, ("get-open-id-connect-provider", *arn), environ)
    if read.value is not None:
        return Role(
            source=source, policy=policy, client_ids=Read([str(one) for one in read.value.get("ClientIDList") or ()])
        )
    if read.problem:
        return Role(source=source, policy=policy, client_ids=Read(None, read.problem))
    listed = await _ask(aws, ("list-open-id-connect-providers",), environ)
    arns = [str(one.get("Arn")) for one in (listed.value or {}).get("OpenIDConnectProviderList") or ()]
    urls = [known.path for one in arns if (known := parse_provider_arn(one)) is not None]
    return Role(source=source, policy=policy, client_ids=Read(None), providers=urls)


async def _policy(aws: str, role_arn: str, environ: Mapping[str, str]) -> Read[str]:
    name = role_arn.rpartition("/")[2]
    read = await _ask(aws, ("get-role", "--role-name", name), environ)
    if read.value is None:
        return Read(None, read.problem)
    found = str((read.value.get("Role") or {}).get("Arn", ""))
    if found != role_arn:
        return Read(None, f"the AWS CLI sees the role {found}, not {role_arn}: use credentials of the role's account")
    return Read(json.dumps(read.value))


async def _ask(aws: str, words: Sequence[str], environ: Mapping[str, str]) -> Read[dict[str, Any]]:
    """Runs `aws iam`; what does not exist is missing."""
    try:
        done = await asyncio.to_thread(_run, aws, ("iam", *words, "--output", "json"), environ)
    except WebhookError as error:
        return Read(None, str(error))
    if done.returncode:
        said = " ".join(done.stderr.split())[:500]
        return Read(None, "" if _NO_SUCH in said else f"aws iam {words[0]}: {said or f'code {done.returncode}'}")
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = None
    return Read(answer) if isinstance(answer, dict) else Read(None, f"aws iam {words[0]}: its answer is no JSON object")


def _run(aws: str, words: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - the admin asked for it, and argv is no shell's
            [aws, *words],
            # A pager would wait for a key.
            env={**environ, "AWS_PAGER": ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WebhookError(f"aws {' '.join(words[:2])}: no answer within {_SECONDS} s") from error
    except OSError as error:
        raise WebhookError(f"{aws}: {error.strerror or error}") from error
