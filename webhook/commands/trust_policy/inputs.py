"""What the sub-commands read: policies, and the words for a provider and for ServiceAccounts."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from webhook.errors import UnusableInput
from webhook.issuer.issuer_url import url_checks
from webhook.issuer.json_object import DocumentError
from webhook.issuer.trust_policy.document import TrustPolicy, read_policy
from webhook.issuer.trust_policy.json_text import MAX_CHARACTERS
from webhook.issuer.trust_policy.subjects import Subject, name_problem, namespace_problem

_MAX_BYTES: Final = 4 * MAX_CHARACTERS
_ACCOUNT: Final = re.compile(r"[0-9]{12}", re.ASCII)
_PARTITION: Final = re.compile(r"aws(?:-[a-z]+)*", re.ASCII)


def read_policy_file(name: str) -> TrustPolicy:
    """Reads the policy in a file, `-` for standard input. Raises UnusableInput."""
    shown = shown_name(name)
    try:
        return read_policy(read_bytes(name).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UnusableInput(f"{shown}: it is not text in UTF-8") from error
    except DocumentError as error:
        raise UnusableInput(f"{shown}: {error}") from error


def read_bytes(name: str) -> bytes:
    """Reads a file, `-` for standard input; a bounded part of it. Raises UnusableInput."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(_MAX_BYTES + 1)
        with Path(name).open("rb") as file:
            return file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UnusableInput(f"{name}: {error.strerror or error}") from error


def shown_name(name: str) -> str:
    """Returns how the output calls a file."""
    return "standard input" if name == "-" else name


def standard_input_problems(names: Sequence[str]) -> list[str]:
    """Returns the problem of a command line that reads standard input twice."""
    return ["'-': standard input can be read only once"] if list(names).count("-") > 1 else []


def subject_of(flag: str, text: str, problems: list[str], *, patterns: bool) -> Subject | None:
    """Returns the ServiceAccount of `NAMESPACE/NAME`, `*` allowed for one of the two if `patterns`; adds problems."""
    namespace, slash, name = text.partition("/")
    if not slash:
        problems.append(f"{flag}: {text!r} is not of the form NAMESPACE/NAME")
        return None
    if patterns and namespace == name == "*":
        problems.append(f"{flag}: {text!r} would let every pod of the cluster assume the role; name either one")
        return None
    problem = ("" if patterns and namespace == "*" else namespace_problem(namespace)) or (
        "" if patterns and name == "*" else name_problem(name)
    )
    if problem:
        hint = "; a wildcard is a whole *, for the namespace or the name" if patterns and "*" in problem else ""
        problems.append(f"{flag}: {text!r}: {problem}{hint}")
        return None
    return Subject(namespace, name)


def issuer_problems(issuer: str) -> list[str]:
    """Returns what IAM would not accept in the issuer's URL."""
    if not issuer:
        return ["--issuer: set the issuer's URL"]
    failed = [check for check in url_checks(issuer) if check.outcome == "failed"]
    problems = [f"--issuer: {check.found}. {check.fix}" for check in failed]
    if issuer.endswith("/") and not problems:
        problems.append(
            "--issuer: it ends with a slash, which AWS and Kubernetes do not treat alike; set --service-account-issuer "
            "of all API servers without it"
        )
    return problems


def account_problems(account: str, partition: str) -> list[str]:
    """Returns what is wrong with an account and a partition; empty ones are right."""
    problems = []
    if account and not _ACCOUNT.fullmatch(account):
        problems.append(f"--account: {account!r} is not 12 digits")
    if partition and not _PARTITION.fullmatch(partition):
        problems.append(f"--partition: {partition!r} is not a partition such as aws or aws-cn")
    return problems


def audience_problems(audience: str) -> list[str]:
    """Returns why an OIDC provider cannot have this client ID, or a policy cannot compare with it."""
    if not 1 <= len(audience) <= 255:
        return ["--audience: must have 1 to 255 characters"]
    if not audience.isprintable() or " " in audience or "${" in audience:
        return [f"--audience: {audience!r} has a blank, a control character or ${{, which no audience here can have"]
    return []
