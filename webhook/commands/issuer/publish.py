"""`issuer publish`: the aws commands that publish an issuer's documents."""

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse
from webhook.commands.issuer.aws_commands import find_aws, is_confirmed, run_steps
from webhook.commands.issuer.files import read_file
from webhook.commands.issuer.flags import PUBLISH_FLAGS
from webhook.errors import SettingsError, UnusableInput
from webhook.issuer.bucket import (
    Bucket,
    bucket_name_problem,
    distribution_problem,
    prefix_problem,
    region_problem,
)
from webhook.issuer.discovery import DISCOVERY_PATH, JWKS_PATH, jwks_uri
from webhook.issuer.json_object import DocumentError, read_object
from webhook.issuer.jwks import read_jwks
from webhook.issuer.publication import Publication, Step, distribution_steps, publication_steps
from webhook.issuer.rendered_issuer import issuer_problems

_ABOUT: Final = (
    "Shows the aws commands that publish the documents of issuer render in an S3 bucket, without ACLs, and tell IAM of "
    "the issuer. It runs none of them, except with --run: then it asks first, and stops at the first failure. "
    "With --cloudfront, the bucket stays private. The domain of a new distribution is the host of the issuer, so first "
    "make the distribution, then render the documents, then publish them with --distribution. "
    "Exit code: 0 if the commands are shown, or have all succeeded; 1 if one failed or you declined; 2 for wrong usage "
    "or documents that cannot be published there."
)


@dataclass(frozen=True)
class _Plan:
    """The steps, and what an admin should know; `issuer` is "" as long as the distribution does not exist."""

    issuer: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...]


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(PUBLISH_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("issuer publish [flags]", _ABOUT, PUBLISH_FLAGS))
        return 0
    _check(parsed)
    values = parsed.values
    bucket = Bucket(values["bucket"], values["region"], values["prefix"])
    makes_distribution = values["cloudfront"] and not values["distribution"]
    plan = _distribution_plan(bucket, parsed) if makes_distribution else _publication_plan(bucket, parsed)
    is_json = values["output"] == "json"
    if not values["run"]:
        print(json.dumps(_as_json(plan), indent=2) if is_json else "\n".join(_text(plan)))
        return 0
    aws = find_aws(environ)
    # In JSON, standard output is for the result alone.
    stream = sys.stderr if is_json else sys.stdout
    print("\n".join(_text(plan)), file=stream)
    if not values["yes"] and not is_confirmed(len(plan.steps), stream):
        return 1
    results = run_steps(aws, plan.steps, environ, stream)
    if is_json:
        print(json.dumps({**_as_json(plan), "results": [result.as_json() for result in results]}, indent=2))
    return 0 if all(result.code == 0 for result in results) else 1


def _check(parsed: Parsed) -> None:
    """Raises SettingsError if the flags do not say what to publish, and where."""
    values, problems = parsed.values, parsed.problems
    problems += [f"{word!r}: issuer publish takes flags only" for word in parsed.positionals]
    checks = {"bucket": bucket_name_problem, "region": region_problem}
    for name, check in checks.items():
        if not values[name]:
            problems.append(f"--{name}: must be set")
        elif problem := check(values[name]):
            problems.append(f"--{name}: {problem}")
    for name, check in {"prefix": prefix_problem, "distribution": distribution_problem}.items():
        if problem := check(values[name]):
            problems.append(f"--{name}: {problem}")
    if values["distribution"] and not values["cloudfront"]:
        problems.append("--distribution: needs --cloudfront")
    if (
        values["cloudfront"]
        and not region_problem(values["region"])
        and Bucket("", values["region"]).partition != "aws"
    ):
        problems.append("--cloudfront: the commands make distributions in the partition aws only")
    makes_distribution = values["cloudfront"] and not values["distribution"]
    if not values["input_dir"] and not makes_distribution:
        problems.append("--input-dir: set the folder that issuer render has written")
    if makes_distribution and values["only_documents"]:
        problems.append("--only-documents: needs --distribution with --cloudfront")
    problems += [f"--client-id: {problem}" for problem in _client_id_problems(values["client_id"])]
    if problems:
        raise SettingsError(problems)


def _client_id_problems(client_ids: Sequence[str]) -> Iterator[str]:
    if not 1 <= len(client_ids) <= 100:
        yield f"{len(client_ids)} client IDs; IAM takes 1 to 100"
    for client_id in client_ids:
        if not 1 <= len(client_id) <= 255 or not client_id.isprintable() or client_id.startswith("-"):
            yield f"{client_id[:80]!r} is not a client ID of 1 to 255 characters"
        elif client_id.startswith(("https://", "http://", "file://", "fileb://")):
            yield f"the aws command would read {client_id[:80]!r} as an address; add this client ID in the console"


def _distribution_plan(bucket: Bucket, parsed: Parsed) -> _Plan:
    steps = distribution_steps(bucket, has_bucket=parsed.values["existing_bucket"])
    again = shlex.join(
        [
            *("pod-identity-webhook", "issuer", "publish", "--bucket", bucket.name, "--region", bucket.region),
            *(("--prefix", bucket.prefix) if bucket.prefix else ()),
            "--cloudfront",
        ]
    )
    return _Plan(
        "",
        steps,
        (
            f"the issuer is https://DOMAIN{bucket.path}, with the domain that the last command prints",
            f"then: pod-identity-webhook issuer render --issuer https://DOMAIN{bucket.path} --output-dir DIR …",
            f"then: {again} --distribution ARN --input-dir DIR",
        ),
    )


def _publication_plan(bucket: Bucket, parsed: Parsed) -> _Plan:
    values = parsed.values
    issuer = _issuer_of(values["input_dir"], bucket, has_distribution=bool(values["distribution"]))
    files = [str(Path(values["input_dir"], path)) for path in (JWKS_PATH, DISCOVERY_PATH)]
    publication = Publication(bucket, issuer, (files[0], files[1]), values["client_id"], values["distribution"])
    steps = publication_steps(
        publication, has_bucket=values["existing_bucket"], only_documents=values["only_documents"]
    )
    notes = []
    if not values["only_documents"]:
        if values["existing_bucket"] or values["distribution"]:
            notes.append("put-bucket-policy replaces the bucket's policy: if it has one, add the statement there")
        if not values["distribution"]:
            notes.append("the public access block of the account counts too: it must allow public bucket policies")
    return _Plan(issuer, steps, tuple(notes))


def _issuer_of(directory: str, bucket: Bucket, *, has_distribution: bool) -> str:
    """Returns the issuer of the rendered documents. Raises UnusableInput if they cannot be published in the bucket."""
    path = str(Path(directory, DISCOVERY_PATH))
    try:
        document = read_object(read_file(path))
    except DocumentError as error:
        raise UnusableInput(f"{path}: {error}") from error
    issuer = document.get("issuer")
    if not isinstance(issuer, str) or issuer_problems(issuer) or document.get("jwks_uri") != jwks_uri(issuer):
        raise UnusableInput(f"{path}: it is not a discovery document that issuer render has written")
    if not has_distribution and issuer != bucket.issuer:
        raise UnusableInput(f"{path}: its issuer is {issuer}, but the bucket's is {bucket.issuer}: render it for that")
    if has_distribution and issuer == bucket.issuer:
        wanted = f"https://DOMAIN{bucket.path}, with the domain of the distribution"
        raise UnusableInput(
            f"{path}: its issuer is the private bucket itself, which refuses AWS: render it for {wanted}"
        )
    if has_distribution and issuer.removeprefix("https://").partition("/")[2] != bucket.prefix:
        wanted = f"the path of --prefix, {bucket.path}" if bucket.prefix else "no path, as there is no --prefix"
        raise UnusableInput(f"{path}: its issuer is {issuer}, which must have {wanted}")
    jwks = str(Path(directory, JWKS_PATH))
    try:
        keys = read_jwks(read_file(jwks))
    except DocumentError as error:
        raise UnusableInput(f"{jwks}: {error}") from error
    if not keys:
        raise UnusableInput(f"{jwks}: it has no key")
    for number, jwk in enumerate(keys):
        if jwk.has_private_members:
            raise UnusableInput(f"{jwks}: keys[{number}]: {jwk.unusable_reason}")
    return issuer


def _text(plan: _Plan) -> Iterator[str]:
    """Returns a script for a POSIX shell, with comments."""
    if plan.issuer:
        yield f"# Publishes the issuer {plan.issuer}"
    for number, step in enumerate(plan.steps, 1):
        yield f"# {number}. {step.what}"
        yield step.line
    for note in plan.notes:
        yield f"# note: {note}"


def _as_json(plan: _Plan) -> dict[str, Any]:
    return {
        "issuer": plan.issuer or None,
        "commands": [
            {"what": step.what, "argv": list(step.argv), "sets": step.sets or None, "shell": step.line}
            for step in plan.steps
        ],
        "notes": list(plan.notes),
    }
