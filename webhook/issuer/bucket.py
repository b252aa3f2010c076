"""The S3 bucket that serves an issuer's documents: its name, its partition's domain, and the policy that opens them."""

import ipaddress
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from webhook.issuer.discovery import DISCOVERY_PATH, JWKS_PATH

PARTITIONS: Final = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}
"""The domain of the services in each partition."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIXES: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_SUFFIXES: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_REGION: Final = re.compile(r"(?:af|ap|ca|cn|eu|il|me|mx|sa|us|us-gov)-[a-z]{4,16}-[1-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_DISTRIBUTION: Final = re.compile(r"arn:aws:cloudfront::[0-9]{12}:distribution/[A-Z0-9]{1,32}")


@dataclass(frozen=True)
class Bucket:
    """A bucket, and the prefix in it below which the documents are; "" for none."""

    name: str
    region: str
    prefix: str = ""

    @property
    def partition(self) -> str:
        """The partition of its region."""
        return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(self.region.rpartition("-")[0].rpartition("-")[0], "aws")

    @property
    def host(self) -> str:
        """The host of the bucket's own URL, in its region."""
        return f"{self.name}.s3.{self.region}.{PARTITIONS[self.partition]}"

    @property
    def issuer(self) -> str:
        """The issuer's URL, if the bucket serves it without CloudFront."""
        return f"https://{self.host}{self.path}"

    @property
    def path(self) -> str:
        """The path of the issuer's URL."""
        return f"/{self.prefix}" if self.prefix else ""

    @property
    def keys(self) -> tuple[str, str]:
        """The keys of the objects: the JWKS, and the discovery document that names it."""
        start = f"{self.prefix}/" if self.prefix else ""
        return f"{start}{JWKS_PATH}", f"{start}{DISCOVERY_PATH}"

    def policy(self, distribution: str = "") -> str:
        """Returns the bucket policy: all, or only the distribution of this ARN, may read the two documents."""
        statement: dict[str, Any] = {
            "Sid": "ReadIssuerDocuments",
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"} if distribution else "*",
            "Action": "s3:GetObject",
            "Resource": [f"arn:{self.partition}:s3:::{self.name}/{key}" for key in self.keys],
        }
        if distribution:
            statement["Condition"] = {"StringEquals": {"AWS:SourceArn": distribution}}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))


def bucket_name_problem(name: str) -> str:
    """Returns why a bucket of this name does not exist or cannot serve an issuer; "" if it can."""
    if "." in name:
        return f"{name!r} has a dot, which breaks TLS: the certificate of S3, *.s3.REGION…, covers one label only"
    if not _NAME.fullmatch(name) or name.startswith(_PREFIXES) or name.endswith(_SUFFIXES) or _is_address(name):
        return f"{name!r} is not a valid bucket name: 3 to 63 small letters, digits and hyphens"
    return ""


def region_problem(region: str) -> str:
    """Returns why we know no partition for the region; "" if we do."""
    if not _REGION.fullmatch(region):
        return f"{region!r} is not a region of the partitions {', '.join(PARTITIONS)}"
    return ""


def prefix_problem(prefix: str) -> str:
    """Returns why the prefix cannot be the path of an issuer; "" if it can."""
    if prefix and not _PREFIX.fullmatch(prefix):
        return f"{prefix!r} must be parts of letters, digits, _, ~, . and -, with one / between, none at an end"
    return ""


def distribution_problem(arn: str) -> str:
    """Returns why `arn` names no CloudFront distribution; "" if it does."""
    if arn and not _DISTRIBUTION.fullmatch(arn):
        return f"{arn!r} is not an ARN such as arn:aws:cloudfront::111122223333:distribution/E2EXAMPLE"
    return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
