"""The admission settings: one frozen object, validated as a whole."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from webhook.admission.annotation_keys import AnnotationKeys
from webhook.admission.annotations import REQUIRE_LABEL, SKIP_LABEL
from webhook.admission.mounts import Place
from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.errors import SettingsError
from webhook.flag_field import flag

DEFAULT_TOKEN_EXPIRATION: Final = 86400
MIN_TOKEN_EXPIRATION: Final = 600
# The API server refuses a pod that requests a projected token with a longer lifetime.
MAX_TOKEN_EXPIRATION: Final = 2**32

_PODS: Final = "What pods get"
_CONTAINER: Final = "Container credentials (EKS Pod Identity)"

_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}", re.ASCII)
_PARTITION: Final = re.compile(r"aws[a-z0-9-]*", re.ASCII)
_REGION: Final = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)
_RELATIVE_PATH: Final = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*", re.ASCII)

_PARTITION_OF_REGION: Final = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
)


def partition_of(region: str) -> str:
    """Returns the AWS partition of `region`, by the prefix of its name."""
    return next((partition for prefix, partition in _PARTITION_OF_REGION if region.startswith(prefix)), "aws")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settings:
    """The admission settings, each with its flag; durations in seconds.

    If values are invalid, the constructor raises SettingsError, which names every flag at fault. Objects compare by
    identity, so that they are cheap cache keys.
    """

    annotation_prefix: str = flag("eks.amazonaws.com", "prefix of our annotations and labels", _PODS)
    token_audience: str = flag(
        "sts.amazonaws.com", "audience of the token, unless the ServiceAccount is annotated otherwise", _PODS
    )
    token_expiration: int = flag(
        DEFAULT_TOKEN_EXPIRATION,
        "lifetime of the token in seconds, unless annotated otherwise; less than 600 counts as 600",
        _PODS,
    )
    token_mount_path: str = flag(
        "/var/run/secrets/eks.amazonaws.com/serviceaccount", "folder of the token in the containers", _PODS
    )
    aws_default_region: str = flag("", "sets AWS_DEFAULT_REGION and AWS_REGION, if not empty", _PODS)
    sts_regional_endpoint: bool = flag(
        False, "sets AWS_STS_REGIONAL_ENDPOINTS=regional, unless annotated otherwise", _PODS
    )
    invalid_role_arn: str = flag(
        "inject",
        "what to do with a role ARN that makes no sense: inject it all the same, with a warning, or skip the pod",
        _PODS,
        choices=("inject", "skip"),
    )
    compose_role_arn: bool = flag(
        False, "reads an annotation that does not start with arn: as the name or path of a role in this account", _PODS
    )
    aws_account_id: str = flag("", "the account for --compose-role-arn; if empty, IMDSv2 is asked", _PODS)
    aws_partition: str = flag("", "the partition for --compose-role-arn; if empty, that of the region", _PODS)
    container_credentials_audience: str = flag("pods.eks.amazonaws.com", "audience of the token", _CONTAINER)
    container_credentials_token_mount_path: str = flag(
        "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount", "folder of the token in the containers", _CONTAINER
    )
    container_credentials_token_volume_name: str = flag(
        "eks-pod-identity-token", "name of the token's volume", _CONTAINER
    )
    container_credentials_token_path: str = flag(
        "eks-pod-identity-token", "path of the token in that folder", _CONTAINER
    )
    container_credentials_full_uri: str = flag(
        "http://169.254.170.23/v1/credentials", "value of AWS_CONTAINER_CREDENTIALS_FULL_URI", _CONTAINER
    )

    own_prefix: str = field(init=False)
    """The prefix of our annotations and labels, including the slash."""

    skip_label: str = field(init=False)
    """The label on a pod that keeps the API server from calling us for it."""

    require_label: str = field(init=False)
    """The label on a pod or namespace that makes us refuse a pod without credentials."""

    token_place: Place = field(init=False)
    """The place of the token's mount, except on Windows."""

    annotation_keys: AnnotationKeys = field(init=False)
    """The keys of our annotations."""

    def __post_init__(self) -> None:
        prefix = f"{self.annotation_prefix}/"
        object.__setattr__(self, "own_prefix", prefix)
        object.__setattr__(self, "skip_label", prefix + SKIP_LABEL)
        object.__setattr__(self, "require_label", prefix + REQUIRE_LABEL)
        object.__setattr__(self, "token_place", Place(self.token_mount_path, windows=False))
        object.__setattr__(self, "annotation_keys", AnnotationKeys(prefix))
        problems = list(self._problems())
        if problems:
            raise SettingsError(problems)

    def _problems(self) -> Iterator[str]:
        if not is_dns_subdomain(self.annotation_prefix):
            yield f"--annotation-prefix: {self.annotation_prefix!r} is not a DNS name such as eks.amazonaws.com"
        for name, value in (
            ("--token-audience", self.token_audience),
            ("--container-credentials-audience", self.container_credentials_audience),
            ("--container-credentials-full-uri", self.container_credentials_full_uri),
        ):
            if not _PRINTABLE.fullmatch(value):
                yield f"{name}: {value!r} is empty or has characters that are not printable ASCII"
        for name, value in (
            ("--token-mount-path", self.token_mount_path),
            ("--container-credentials-token-mount-path", self.container_credentials_token_mount_path),
        ):
            if not value.startswith("/") or ":" in value or not _PRINTABLE.fullmatch(value):
                yield f"{name}: {value!r} is not an absolute path without ':'"
        if not is_dns_label(self.container_credentials_token_volume_name):
            yield (
                "--container-credentials-token-volume-name: "
                f"{self.container_credentials_token_volume_name!r} is not a volume name (DNS label)"
            )
        path = self.container_credentials_token_path
        if not _RELATIVE_PATH.fullmatch(path) or ".." in path:
            yield f"--container-credentials-token-path: {path!r} is not a relative path without '..'"
        if self.token_expiration > MAX_TOKEN_EXPIRATION:
            yield f"--token-expiration: {self.token_expiration} is more than Kubernetes takes ({MAX_TOKEN_EXPIRATION})"
        if self.aws_default_region and not _REGION.fullmatch(self.aws_default_region):
            yield f"--aws-default-region: {self.aws_default_region!r} is not a region such as eu-central-1"
        if self.invalid_role_arn not in ("inject", "skip"):
            yield f"--invalid-role-arn: {self.invalid_role_arn!r} is neither 'inject' nor 'skip'"
        if self.aws_account_id and not _ACCOUNT_ID.fullmatch(self.aws_account_id):
            yield f"--aws-account-id: {self.aws_account_id!r} is not 12 digits"
        if self.aws_partition and not _PARTITION.fullmatch(self.aws_partition):
            yield f"--aws-partition: {self.aws_partition!r} is not a partition such as aws or aws-cn"
