"""The aws commands that publish an issuer, held against the AWS services' own models, which botocore ships."""

import json
import shlex
import subprocess
from collections.abc import Iterable
from typing import Any

import botocore
import botocore.session
import pytest
from botocore.validate import ParamValidator

from webhook.issuer.bucket import (
    Bucket,
    bucket_name_problem,
    distribution_problem,
    prefix_problem,
    region_problem,
)
from webhook.issuer.publication import Publication, Step, distribution_steps, publication_steps

SESSION = botocore.session.Session()
DISTRIBUTION = "arn:aws:cloudfront::111122223333:distribution/E2EXAMPLE"
# Options of the AWS CLI itself, not of an operation.
GLOBAL = {"--region", "--query", "--output"}
BUCKET = Bucket("my-issuer", "eu-central-1", "prod")


def published(bucket: Bucket, distribution: str = "", **changes: Any) -> tuple[Step, ...]:
    issuer = "https://d111.cloudfront.net/prod" if distribution else bucket.issuer
    publication = Publication(bucket, issuer, ("out/jwks", "out/discovery"), ["sts.amazonaws.com"], distribution)
    return publication_steps(publication, **({"has_bucket": False, "only_documents": False} | changes))


def operations(steps: Iterable[Step]) -> list[str]:
    return [step.argv[2] for step in steps]


def validated(argv: tuple[str, ...]) -> dict[str, Any]:
    """Parses a command as the AWS CLI does and returns its parameters; fails if the service has no such ones."""
    program, service, command, *words = argv
    model = SESSION.get_service_model(service.removesuffix("api"))
    (name,) = (name for name in model.operation_names if botocore.xform_name(name, "-") == command)
    shape = model.operation_model(name).input_shape
    members = {f"--{botocore.xform_name(name, '-')}": name for name in shape.members}
    parameters: dict[str, Any] = {}
    values: list[str] = []
    for word in words:
        if word.startswith("--"):
            assert word in {*members, *GLOBAL}, f"{command} has no {word}"
            values = []
            parameters[members.get(word, word)] = values
        else:
            values.append(word)
    given = {
        name: value(shape.members[name], values) for name, values in parameters.items() if not name.startswith("--")
    }
    report = ParamValidator().validate(given, shape)
    assert not report.has_errors(), report.generate_report()
    assert program == "aws"
    return given


def value(shape: Any, words: list[str]) -> Any:
    """Returns the value of an option: a list, JSON, the short form a=b,c=d, or text."""
    if shape.type_name == "list":
        return words
    (word,) = words
    if shape.type_name != "structure":
        return word
    if word.startswith("{"):
        return json.loads(word)
    pairs = dict(part.split("=", 1) for part in word.split(","))
    return {name: {"true": True, "false": False}.get(text, text) for name, text in pairs.items()}


EVERY = {
    "a public bucket": published(BUCKET),
    "a public bucket in us-east-1": published(Bucket("my-issuer", "us-east-1")),
    "a public bucket in China": published(Bucket("my-issuer", "cn-north-1")),
    "a public bucket in GovCloud": published(Bucket("my-issuer", "us-gov-west-1")),
    "documents only": published(BUCKET, only_documents=True),
    "a new distribution": distribution_steps(BUCKET, has_bucket=False),
    "behind a distribution": published(BUCKET, DISTRIBUTION),
}


@pytest.mark.parametrize("steps", EVERY.values(), ids=EVERY)
def test_every_command_is_one_that_the_service_has(steps: tuple[Step, ...]) -> None:
    for step in steps:
        assert "ACL" not in validated(step.resolved({"OAC_ID": "E1"}))
        assert "--region" in step.argv


@pytest.mark.parametrize("steps", EVERY.values(), ids=EVERY)
def test_a_shell_takes_every_line_as_its_words(steps: tuple[Step, ...]) -> None:
    for step in steps:
        line = step.line.removeprefix(f"{step.sets}=$(").removesuffix(")") if step.sets else step.line
        script = f"OAC_ID=E1; printf '%s\\0' {line}"
        out = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, timeout=10).stdout

        assert tuple(out.split("\0")[:-1]) == step.resolved({"OAC_ID": "E1"})


def test_a_public_bucket_is_made_in_this_order() -> None:
    steps = published(BUCKET)

    assert operations(steps) == [
        "create-bucket",
        "put-public-access-block",
        "put-bucket-policy",
        "put-object",
        "put-object",
        "create-open-id-connect-provider",
    ]
    create, block, policy, jwks, discovery, provider = (validated(step.argv) for step in steps)
    assert create["CreateBucketConfiguration"] == {"LocationConstraint": "eu-central-1"}
    assert block["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": False,
    }
    (statement,) = json.loads(policy["Policy"])["Statement"]
    assert statement == {
        "Sid": "ReadIssuerDocuments",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": [
            "arn:aws:s3:::my-issuer/prod/openid/v1/jwks",
            "arn:aws:s3:::my-issuer/prod/.well-known/openid-configuration",
        ],
    }
    # The JWKS is there before the document that names it.
    assert [(put["Key"], put["Body"]) for put in (jwks, discovery)] == [
        ("prod/openid/v1/jwks", "out/jwks"),
        ("prod/.well-known/openid-configuration", "out/discovery"),
    ]
    assert {(put["ContentType"], put["CacheControl"]) for put in (jwks, discovery)} == {
        ("application/json", "public, max-age=300")
    }
    assert provider == {
        "Url": "https://my-issuer.s3.eu-central-1.amazonaws.com/prod",
        "ClientIDList": ["sts.amazonaws.com"],
    }


def test_us_east_1_is_no_location_constraint() -> None:
    assert validated(published(Bucket("my-issuer", "us-east-1"))[0].argv) == {"Bucket": "my-issuer"}


def test_only_the_distribution_reads_the_bucket_behind_it() -> None:
    first = [validated(step.resolved({"OAC_ID": "E1"})) for step in distribution_steps(BUCKET, has_bucket=False)]
    then = published(BUCKET, DISTRIBUTION)

    assert set(first[1]["PublicAccessBlockConfiguration"].values()) == {True}
    config = first[3]["DistributionConfig"]
    (origin,) = config["Origins"]["Items"]
    assert (origin["DomainName"], origin["OriginAccessControlId"]) == (BUCKET.host, "E1")
    assert config["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "https-only"
    assert first[2]["OriginAccessControlConfig"]["SigningBehavior"] == "always"
    assert operations(then) == [
        "put-bucket-policy",
        "put-object",
        "put-object",
        "create-open-id-connect-provider",
    ]
    (statement,) = json.loads(validated(then[0].argv)["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"AWS:SourceArn": DISTRIBUTION}}


def test_an_existing_bucket_is_not_created() -> None:
    assert operations(published(BUCKET, has_bucket=True))[0] == "put-public-access-block"
    assert operations(distribution_steps(BUCKET, has_bucket=True))[0] == "put-public-access-block"


def test_a_rotation_uploads_the_documents_only() -> None:
    assert operations(published(BUCKET, only_documents=True)) == ["put-object", "put-object"]


@pytest.mark.parametrize(
    "region",
    [name for partition in ("aws", "aws-cn", "aws-us-gov") for name in SESSION.get_available_regions("s3", partition)],
)
def test_every_region_has_the_partition_and_host_that_the_sdk_knows(region: str) -> None:
    bucket = Bucket("my-issuer", region)
    url = SESSION.create_client("s3", region).meta.endpoint_url

    assert region_problem(region) == ""
    assert bucket.partition == SESSION.get_partition_for_region(region)
    assert url.endswith(bucket.host.partition(".s3.")[2].removeprefix(region).partition(".")[2])


@pytest.mark.parametrize(
    "region", ["", "moon-1", "us-iso-east-1", "eusc-de-east-1", "eu-west-1 ", "EU-WEST-1", "eu-west"]
)
def test_a_region_of_no_known_partition_is_refused(region: str) -> None:
    assert region_problem(region) == f"{region!r} is not a region of the partitions aws, aws-cn, aws-us-gov"


DOT = "has a dot, which breaks TLS: the certificate of S3, *.s3.REGION…, covers one label only"
INVALID = "is not a valid bucket name: 3 to 63 small letters, digits and hyphens"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("my.bucket", DOT),
        ("192.168.5.4", DOT),
        ("ab", INVALID),
        ("a" * 64, INVALID),
        ("My-Bucket", INVALID),
        ("my_bucket", INVALID),
        ("-bucket", INVALID),
        ("bucket-", INVALID),
        ("xn--bucket", INVALID),
        ("bucket-s3alias", INVALID),
        ("bucket--x-s3", INVALID),
        ("bück", INVALID),
        ("my-bucket\n", INVALID),
    ],
)
def test_a_bucket_that_cannot_serve_an_issuer_is_refused(name: str, problem: str) -> None:
    assert bucket_name_problem(name) == f"{name!r} {problem}"


@pytest.mark.parametrize("name", ["abc", "a" * 63, "my-bucket-1"])
def test_a_valid_bucket_name_has_no_problem(name: str) -> None:
    assert bucket_name_problem(name) == ""


@pytest.mark.parametrize("prefix", ["/a", "a/", "a//b", "a/../b", "..", ".hidden", "a b", "a?b", "ä"])
def test_a_prefix_that_is_no_path_of_an_issuer_is_refused(prefix: str) -> None:
    assert prefix_problem(prefix).startswith(f"{prefix!r} must be parts of letters")


@pytest.mark.parametrize("prefix", ["", "prod", "a/b-c/d_1.e"])
def test_a_prefix_may_have_parts(prefix: str) -> None:
    assert prefix_problem(prefix) == ""


@pytest.mark.parametrize("arn", ["E2EXAMPLE", DISTRIBUTION + "/x", DISTRIBUTION.replace("aws", "aws-cn")])
def test_a_distribution_needs_its_arn(arn: str) -> None:
    assert distribution_problem(arn).startswith(f"{arn!r} is not an ARN such as ")
    assert distribution_problem(DISTRIBUTION) == ""


def test_words_are_quoted_for_the_shell() -> None:
    step = Step("x", ("aws", "it's", "a b", "", "${OAC_ID} and 'x'"))

    assert shlex.split(step.line) == ["aws", "it's", "a b", "", "${OAC_ID} and 'x'"]
