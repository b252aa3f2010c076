"""`issuer publish`, with an aws on the PATH that records its calls: the real one is not a dependency of the tests."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.commands.outcome import Outcome, run
from webhook.issuer.bucket import Bucket
from webhook.issuer.publication import Publication, distribution_steps, publication_steps

BUCKET = Bucket("my-issuer", "eu-central-1", "prod")
WHERE = ["--bucket=my-issuer", "--region=eu-central-1", "--prefix=prod"]
DISTRIBUTION = "arn:aws:cloudfront::111122223333:distribution/E2EXAMPLE"
BEHIND = [*WHERE, "--cloudfront", f"--distribution={DISTRIBUTION}"]
FILES = ("out/openid/v1/jwks", "out/.well-known/openid-configuration")
PUBLIC = publication_steps(
    Publication(BUCKET, BUCKET.issuer, FILES, ("sts.amazonaws.com",)), has_bucket=False, only_documents=False
)
# It writes its arguments, one call a line; it answers an ID; the command that FAIL names fails.
AWS = """#!/bin/sh
printf '%s\\n' "$*" >> calls
if [ "$2" = "$FAIL" ]; then echo 'An error occurred (AccessDenied)' >&2; exit 254; fi
[ "$2" = "$SILENT" ] || echo EANSWER
"""


@pytest.fixture
def rendered(folder: Path) -> Path:
    """The current folder, with documents in `out` and an aws in `bin`."""
    assert run("issuer", "render", f"--issuer={BUCKET.issuer}", "--jwks=old.json", "--output-dir=out").code == 0
    (folder / "bin").mkdir()
    (folder / "bin/aws").write_text(AWS)
    (folder / "bin/aws").chmod(stat.S_IRWXU)
    return folder


def publish(*argv: str, stdin: str = "", **environ: str) -> Outcome:
    path = f"{Path.cwd()}/bin:{os.environ['PATH']}"
    return run("issuer", "publish", *argv, "--input-dir=out", stdin=stdin, environ={"PATH": path, **environ})


def calls() -> list[str]:
    """The calls of aws, as words with a blank between."""
    return Path("calls").read_text().splitlines() if Path("calls").exists() else []


@pytest.mark.usefixtures("rendered")
def test_the_commands_are_shown_in_their_order_and_none_is_run() -> None:
    done = publish(*WHERE)

    shown = [line for step, number in zip(PUBLIC, range(1, 7), strict=True)
             for line in (f"# {number}. {step.what}", step.line)]  # fmt: skip
    assert (done.code, done.err, calls()) == (0, "", [])
    assert done.out.splitlines() == [
        "# Publishes the issuer https://my-issuer.s3.eu-central-1.amazonaws.com/prod",
        *shown,
        "# note: the public access block of the account counts too: it must allow public bucket policies",
    ]


@pytest.mark.usefixtures("rendered")
def test_json_has_the_words_of_each_command() -> None:
    done = publish(*WHERE, "--output=json")

    document = json.loads(done.out)
    assert (done.code, document["issuer"]) == (0, BUCKET.issuer)
    assert [tuple(command["argv"]) for command in document["commands"]] == [step.argv for step in PUBLIC]
    assert calls() == []


@pytest.mark.usefixtures("rendered")
def test_run_asks_and_then_runs_every_command() -> None:
    done = publish(*WHERE, "--run", stdin="y\n")

    assert (done.code, done.err) == (0, "")
    assert calls() == [" ".join(step.argv[1:]) for step in PUBLIC]
    assert "Run these 6 commands? [y/N] [1/6] create the bucket\nEANSWER\n[2/6]" in done.out
    assert done.out.endswith(
        "[6/6] tell IAM of the issuer, in the account of the roles\nEANSWER\nAll 6 commands succeeded.\n"
    )


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        ("n\n", "Nothing was run.\n"),
        ("\n", "\nNothing was run: --yes runs without a question.\n"),
        ("", "\nNothing was run: --yes runs without a question.\n"),
        ("yes please\n", "Nothing was run.\n"),
    ],
    ids=["no", "an empty line", "no input", "something else"],
)
@pytest.mark.usefixtures("rendered")
def test_without_a_yes_nothing_is_run(stdin: str, said: str) -> None:
    done = publish(*WHERE, "--run", stdin=stdin)

    assert (done.code, calls()) == (1, [])
    assert done.out.endswith(f"Run these 6 commands? [y/N] {said}")


@pytest.mark.usefixtures("rendered")
def test_the_first_failure_stops_the_rest() -> None:
    done = publish(*WHERE, "--run", "--yes", FAIL="put-bucket-policy")

    assert (done.code, len(calls())) == (1, 3)
    assert "? [y/N]" not in done.out
    assert done.out.endswith(
        "[3/6] let everybody read the two documents, and nothing else\n"
        "An error occurred (AccessDenied)\n"
        "Command 3 failed with code 254; 3 after it did not run.\n"
    )


@pytest.mark.usefixtures("rendered")
def test_run_with_json_has_the_results_on_standard_output_alone() -> None:
    done = publish(*WHERE, "--run", "--yes", "--output=json", FAIL="put-public-access-block")

    document = json.loads(done.out)
    assert (done.code, len(document["commands"])) == (1, 6)
    assert [(result["code"], result["out"], result["err"]) for result in document["results"]] == [
        (0, "EANSWER\n", ""),
        (254, "", "An error occurred (AccessDenied)\n"),
    ]
    assert "[2/6]" in done.err


@pytest.mark.usefixtures("rendered")
def test_a_new_distribution_needs_no_documents_and_gets_the_id_of_its_access_control() -> None:
    arguments = ["issuer", "publish", *WHERE, "--cloudfront"]
    shown = run(*arguments)
    done = publish(*WHERE, "--cloudfront", "--run", "--yes")

    steps = distribution_steps(BUCKET, has_bucket=False)
    assert (shown.code, done.code) == (0, 0)
    assert calls() == [" ".join(step.resolved({"OAC_ID": "EANSWER"})[1:]) for step in steps]
    assert shown.out.splitlines()[-3:] == [
        "# note: the issuer is https://DOMAIN/prod, with the domain that the last command prints",
        "# note: then: pod-identity-webhook issuer render --issuer https://DOMAIN/prod --output-dir DIR …",
        (
            "# note: then: pod-identity-webhook issuer publish --bucket my-issuer --region eu-central-1 --prefix prod "
            "--cloudfront --distribution ARN --input-dir DIR"
        ),
    ]


@pytest.mark.usefixtures("rendered")
def test_a_command_whose_value_is_needed_but_missing_stops_the_rest() -> None:
    done = publish(*WHERE, "--cloudfront", "--run", "--yes", SILENT="create-origin-access-control")

    assert (done.code, len(calls())) == (1, 3)
    assert "the command succeeded but printed no value\nCommand 3 failed" in done.out


@pytest.mark.usefixtures("folder")
def test_behind_a_distribution_any_host_is_an_issuer() -> None:
    issuer = "https://d111.cloudfront.net/prod"
    assert run("issuer", "render", f"--issuer={issuer}", "--jwks=old.json", "--output-dir=out").code == 0
    done = run("issuer", "publish", *BEHIND, "--input-dir=out")

    assert (done.code, done.err) == (0, "")
    assert "create-open-id-connect-provider --url https://d111.cloudfront.net/prod " in done.out
    assert "create-bucket" not in done.out


@pytest.mark.usefixtures("rendered")
def test_the_url_of_the_private_bucket_is_no_issuer_behind_a_distribution() -> None:
    done = run("issuer", "publish", *BEHIND, "--input-dir=out")

    problem = (
        "out/.well-known/openid-configuration: its issuer is the private bucket itself, which refuses AWS: render it "
        "for https://DOMAIN/prod, with the domain of the distribution"
    )
    assert (done.code, done.out, done.err) == (2, "", f"pod-identity-webhook issuer publish: {problem}\n")


@pytest.mark.usefixtures("rendered")
def test_a_rotation_uploads_the_documents_and_nothing_else() -> None:
    done = publish(*WHERE, "--only-documents")

    assert [line.split()[2] for line in done.out.splitlines() if line.startswith("aws")] == ["put-object"] * 2
    assert "# note" not in done.out


@pytest.mark.usefixtures("rendered")
def test_without_aws_on_the_path_run_says_so(tmp_path: Path) -> None:
    done = run("issuer", "publish", *WHERE, "--input-dir=out", "--run", "--yes", environ={"PATH": str(tmp_path / "no")})

    problem = "there is no aws on the PATH: install the AWS CLI, or run the commands elsewhere"
    assert (done.code, done.out, done.err) == (1, "", f"pod-identity-webhook issuer publish: {problem}\n")


USAGE = {
    "nothing": (
        [],
        [
            "--bucket: must be set",
            "--region: must be set",
            "--input-dir: set the folder that issuer render has written",
        ],
    ),
    "a dotted bucket": (
        ["--bucket=my.issuer", "--region=eu-west-1", "--input-dir=out"],
        [
            (
                "--bucket: 'my.issuer' has a dot, which breaks TLS: the certificate of S3, *.s3.REGION…, covers one "
                "label only"
            )
        ],
    ),
    "a distribution without --cloudfront": (
        [*WHERE, f"--distribution={DISTRIBUTION}", "--input-dir=out"],
        ["--distribution: needs --cloudfront"],
    ),
    "a distribution in China": (
        ["--bucket=my-issuer", "--region=cn-north-1", "--cloudfront"],
        ["--cloudfront: the commands make distributions in the partition aws only"],
    ),
    "a rotation without the distribution": (
        [*WHERE, "--cloudfront", "--only-documents"],
        ["--only-documents: needs --distribution with --cloudfront"],
    ),
    "client IDs that the aws command would fetch or take for an option": (
        [*WHERE, "--input-dir=out", "--client-id=https://a", "--client-id=-b", "--client-id="],
        [
            "--client-id: the aws command would read 'https://a' as an address; add this client ID in the console",
            "--client-id: '-b' is not a client ID of 1 to 255 characters",
            "--client-id: '' is not a client ID of 1 to 255 characters",
        ],
    ),
}


@pytest.mark.parametrize(("argv", "problems"), USAGE.values(), ids=USAGE)
@pytest.mark.usefixtures("rendered")
def test_wrong_usage_is_reported_as_a_whole(argv: list[str], problems: list[str]) -> None:
    done = run("issuer", "publish", *argv)

    lines = [f"pod-identity-webhook issuer publish: {problem}" for problem in problems]
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [*lines, "See 'pod-identity-webhook issuer publish --help'."]


D, K = "out/.well-known/openid-configuration", "out/openid/v1/jwks"
OWN = "https://my-issuer.s3.eu-central-1.amazonaws.com/prod"
NOT_OURS = f"{D}: it is not a discovery document that issuer render has written"
OTHER_JWKS = {"issuer": OWN, "jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks"}
HERE = {"issuer": "https://a.example.com/dev", "jwks_uri": "https://a.example.com/dev/openid/v1/jwks"}
DOCUMENTS: dict[str, tuple[list[str], str, Any, str]] = {
    "another issuer": (
        WHERE,
        D,
        HERE,
        f"{D}: its issuer is https://a.example.com/dev, but the bucket's is {OWN}: render it for that",
    ),
    "another path behind a distribution": (
        BEHIND,
        D,
        HERE,
        f"{D}: its issuer is https://a.example.com/dev, which must have the path of --prefix, /prod",
    ),
    "the API server's own jwks_uri": (WHERE, D, OTHER_JWKS, NOT_OURS),
    "no issuer": (WHERE, D, {}, NOT_OURS),
    "an HTML page": (WHERE, D, "<html>", f"{D}: it is an HTML page, not JSON"),
    "no JWKS": (WHERE, K, {}, f'{K}: it is a JSON object without a list "keys", so it is no JWKS'),
    "no key": (WHERE, K, {"keys": []}, f"{K}: it has no key"),
    "a private key": (
        WHERE,
        K,
        {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}]},
        f"{K}: keys[0]: it contains a private key or a secret (member k): never publish it",
    ),
}


@pytest.mark.parametrize(("argv", "path", "content", "problem"), DOCUMENTS.values(), ids=DOCUMENTS)
@pytest.mark.usefixtures("rendered")
def test_documents_that_cannot_be_published_there_are_refused(
    argv: list[str], path: str, content: Any, problem: str
) -> None:
    Path(path).write_text(content if isinstance(content, str) else json.dumps(content))
    done = publish(*argv, "--run", "--yes")

    assert (done.code, done.out, done.err) == (2, "", f"pod-identity-webhook issuer publish: {problem}\n")
    assert calls() == []
