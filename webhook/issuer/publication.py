"""The aws commands that publish an issuer's documents, in their order, as words.

No ACLs: buckets made since 2023 refuse them. A policy opens the two documents only, to all or to one CloudFront
distribution with origin access control (OAC).
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from webhook.issuer.bucket import Bucket

MAX_AGE: Final = 300
"""Seconds that caches may keep a document: a rotation waits for them."""

_CACHE_POLICY: Final = "658327ea-f89d-4fab-a63d-7e88639e58f6"
"""The policy CachingOptimized, which AWS manages: it obeys Cache-Control, and ignores queries and cookies."""
_VARIABLE: Final = re.compile(r"(\$\{[A-Z_]+\})")
_OAC_ID: Final = "OAC_ID"


@dataclass(frozen=True)
class Step:
    """One command, `argv`, and what it does.

    `sets` names the variable that takes the command's output; `${NAME}` in a later step's words stands for it.
    """

    what: str
    argv: tuple[str, ...]
    sets: str = ""

    def resolved(self, variables: Mapping[str, str]) -> tuple[str, ...]:
        """Returns the words with the variables replaced."""
        return tuple(
            "".join(variables[part[2:-1]] if _VARIABLE.fullmatch(part) else part for part in _VARIABLE.split(word))
            for word in self.argv
        )

    @property
    def line(self) -> str:
        """The command as a POSIX shell takes it."""
        command = " ".join(_quoted(word) for word in self.argv)
        return f"{self.sets}=$({command})" if self.sets else command


@dataclass(frozen=True)
class Publication:
    """What to publish, and where.

    `files` are the local paths of the JWKS and of the discovery document. `distribution` is the ARN of the CloudFront
    distribution, or "" if the bucket itself is public. `client_ids` are those of the provider: the audiences of tokens.
    """

    bucket: Bucket
    issuer: str
    files: tuple[str, str]
    client_ids: Sequence[str]
    distribution: str = ""


def distribution_steps(bucket: Bucket, *, has_bucket: bool) -> tuple[Step, ...]:
    """Returns the steps that make a private bucket and a distribution in front of it.

    The last one prints the distribution's ARN and its domain, the host of the issuer, which is not known before.
    """
    name = f"issuer-{bucket.name}"
    control = {
        "Name": name[:64],
        "OriginAccessControlOriginType": "s3",
        "SigningBehavior": "always",
        "SigningProtocol": "sigv4",
    }
    origin = {
        "Id": bucket.name,
        "DomainName": bucket.host,
        "OriginAccessControlId": f"${{{_OAC_ID}}}",
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }
    distribution = {
        "CallerReference": name,
        "Comment": f"service account issuer in the bucket {bucket.name}",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {
            "TargetOriginId": bucket.name,
            "ViewerProtocolPolicy": "https-only",
            "CachePolicyId": _CACHE_POLICY,
        },
    }
    return (
        *_bucket_steps(bucket, has_bucket=has_bucket, allows_policies=False),
        Step(
            "create the origin access control, with which CloudFront signs its requests to the bucket",
            (
                *("aws", "cloudfront", "create-origin-access-control", "--region", bucket.region),
                *("--origin-access-control-config", _json(control)),
                *("--query", "OriginAccessControl.Id", "--output", "text"),
            ),
            sets=_OAC_ID,
        ),
        Step(
            "create the distribution; it prints the ARN, for --distribution, and the domain, the host of the issuer",
            (
                *("aws", "cloudfront", "create-distribution", "--region", bucket.region),
                *("--distribution-config", _json(distribution)),
                *("--query", "Distribution.[ARN,DomainName]", "--output", "text"),
            ),
        ),
    )


def publication_steps(publication: Publication, *, has_bucket: bool, only_documents: bool) -> tuple[Step, ...]:
    """Returns the steps that publish the documents and tell IAM of the issuer."""
    if only_documents:
        return _document_steps(publication)
    bucket, distribution = publication.bucket, publication.distribution
    first = () if distribution else _bucket_steps(bucket, has_bucket=has_bucket, allows_policies=True)
    reader = "the distribution" if distribution else "everybody"
    return (
        *first,
        Step(
            f"let {reader} read the two documents, and nothing else",
            (
                *("aws", "s3api", "put-bucket-policy", "--bucket", bucket.name, "--region", bucket.region),
                *("--policy", bucket.policy(distribution)),
            ),
        ),
        *_document_steps(publication),
        Step(
            "tell IAM of the issuer, in the account of the roles",
            (
                *("aws", "iam", "create-open-id-connect-provider", "--url", publication.issuer),
                *("--client-id-list", *publication.client_ids),
                *("--region", bucket.region),
            ),
        ),
    )


def _bucket_steps(bucket: Bucket, *, has_bucket: bool, allows_policies: bool) -> tuple[Step, ...]:
    location = ("--create-bucket-configuration", f"LocationConstraint={bucket.region}")
    policies = "false" if allows_policies else "true"
    create = Step(
        "create the bucket",
        (
            *("aws", "s3api", "create-bucket", "--bucket", bucket.name, "--region", bucket.region),
            # S3 refuses the constraint for this one region.
            *(() if bucket.region == "us-east-1" else location),
        ),
    )
    block = Step(
        "refuse ACLs, but allow a public bucket policy" if allows_policies else "refuse all public access",
        (
            *("aws", "s3api", "put-public-access-block", "--bucket", bucket.name, "--region", bucket.region),
            "--public-access-block-configuration",
            f"BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy={policies},RestrictPublicBuckets={policies}",
        ),
    )
    return (block,) if has_bucket else (create, block)


def _document_steps(publication: Publication) -> tuple[Step, ...]:
    bucket = publication.bucket
    return tuple(
        Step(
            f"upload {what}",
            (
                *("aws", "s3api", "put-object", "--bucket", bucket.name, "--region", bucket.region, "--key", key),
                *("--body", file, "--content-type", "application/json"),
                *("--cache-control", f"public, max-age={MAX_AGE}"),
            ),
        )
        for what, key, file in zip(("the JWKS", "the discovery document"), bucket.keys, publication.files, strict=True)
    )


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(document, separators=(",", ":"))


def _quoted(word: str) -> str:
    """Returns a word quoted for a shell, except for its variables, which the shell replaces."""
    parts = _VARIABLE.split(word)
    return "".join(
        f'"{part}"' if _VARIABLE.fullmatch(part) else shlex.quote(part) for part in parts if part or len(parts) == 1
    )
