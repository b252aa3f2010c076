"""Who a pod is: from its ServiceAccount and the mappings to the identity that its containers get."""

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from webhook.admission.annotations import AUDIENCE, ROLE_ARN, STS_REGIONAL_ENDPOINTS, TOKEN_EXPIRATION
from webhook.admission.container_credentials import ContainerCredentials
from webhook.admission.golang import parse_bool, parse_int
from webhook.admission.mapping import NO_MAPPING, MappedRole, RoleMapping
from webhook.admission.settings import MAX_TOKEN_EXPIRATION, MIN_TOKEN_EXPIRATION, Settings
from webhook.admission.warning import quoted

Method: TypeAlias = Literal["sts_web_identity", "container_credentials"]

_ROLE_ARN: Final = re.compile(r"arn:aws[a-z0-9-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+", re.ASCII)
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
_MAX_ROLE_ARN: Final = 2048


class ServiceAccount(msgspec.Struct, frozen=True, gc=False):
    """What admission knows of a ServiceAccount: its annotations below our prefix, the prefix taken off."""

    namespace: str
    name: str
    annotations: dict[str, str] = {}

    def __hash__(self) -> int:
        """Of the values too: an account whose annotations change all the time must not fill one bucket of a cache."""
        return hash((self.namespace, self.name, frozenset(self.annotations.values())))


def own_annotations(annotations: Mapping[str, str] | None, settings: Settings) -> dict[str, str]:
    """The annotations below our prefix, the prefix taken off."""
    prefix = settings.own_prefix
    return {key.removeprefix(prefix): value for key, value in (annotations or {}).items() if key.startswith(prefix)}


class Sources(msgspec.Struct, frozen=True):
    """Where a role may come from beside the ServiceAccount's annotation."""

    mapping: RoleMapping = NO_MAPPING
    container_credentials: ContainerCredentials = frozenset()

    def granted(self, account: "ServiceAccount | None", key: tuple[str, str]) -> "Granted":
        """What they have for the ServiceAccount `key` (namespace, name): a mapping only where it has no annotation."""
        is_annotated = account is not None and account.annotations.get(ROLE_ARN)
        return Granted(None if is_annotated else self.mapping.find(*key), key in self.container_credentials)


class Granted(msgspec.Struct, frozen=True, gc=False):
    """What the sources beside the annotation have for one ServiceAccount."""

    mapped: MappedRole | None = None
    container_credentials: bool = False


class Identity(msgspec.Struct, frozen=True, gc=False):
    """What a pod's containers get.

    `role_arn` is empty with container credentials; `expiration` is in seconds, already within Kubernetes' bounds.
    """

    method: Method
    role_arn: str
    audience: str
    expiration: int
    regional_sts: bool


class NoIdentity(msgspec.Struct, frozen=True, gc=False):
    """Why a pod has no identity."""

    reason: Literal["no_role", "service_account_not_found", "invalid_role_arn"]
    message: str


def resolve(
    account: ServiceAccount | None,
    key: tuple[str, str],
    pod_annotations: Mapping[str, str],
    granted: Granted,
    settings: Settings,
) -> tuple[Identity | NoIdentity, list[str]]:
    """The identity of a pod that runs as the ServiceAccount `key` (namespace, name), and warnings.

    `account` is None where there is no such ServiceAccount; `pod_annotations` are the pod's below our prefix; `granted`
    is what other sources have for it. First match wins: container credentials, the ServiceAccount's annotation, an
    exact mapping, a mapping with globs.
    """
    warnings: list[str] = []
    annotations = account.annotations if account is not None else {}
    annotated, mapped = annotations.get(ROLE_ARN), granted.mapped
    regional = _regional_sts(annotations, mapped, settings, warnings)
    expiration = _expiration(pod_annotations, annotations, mapped, settings, warnings)

    if granted.container_credentials:
        audience = settings.container_credentials_audience
        return Identity("container_credentials", "", audience, expiration, regional), warnings

    role_arn = _composed(annotated, settings) if annotated else mapped.role_arn if mapped else None
    if role_arn is None:
        who = f"ServiceAccount {key[0]}/{key[1]}"
        if account is None:
            return NoIdentity("service_account_not_found", f"{who} not found"), []
        return NoIdentity("no_role", f"{who} has no {settings.own_prefix}{ROLE_ARN} annotation"), []

    if len(role_arn) > _MAX_ROLE_ARN or not _ROLE_ARN.fullmatch(role_arn):
        where = f"mapping {mapped.key}" if mapped else f"annotation {settings.own_prefix}{ROLE_ARN}"
        problem = f"{where}: {quoted(role_arn)} is not a role ARN"
        if settings.invalid_role_arn == "skip":
            return NoIdentity("invalid_role_arn", problem), [f"{problem}: nothing injected"]
        warnings.append(f"{problem}: injected as it is")

    audience = (mapped.audience if mapped else None) or annotations.get(AUDIENCE) or settings.token_audience
    return Identity("sts_web_identity", role_arn, audience, expiration, regional), warnings


def _composed(annotation: str, settings: Settings) -> str:
    if not settings.compose_role_arn or "arn:" in annotation:
        return annotation
    return f"arn:{settings.aws_partition}:iam::{settings.aws_account_id}:role/{annotation.removeprefix('/')}"


def _regional_sts(
    annotations: Mapping[str, str], mapped: MappedRole | None, settings: Settings, warnings: list[str]
) -> bool:
    if mapped is not None and mapped.regional_sts is not None:
        return mapped.regional_sts
    text = annotations.get(STS_REGIONAL_ENDPOINTS)
    if text is None:
        return settings.sts_regional_endpoint
    value = parse_bool(text)
    if value is None:
        key = f"{settings.own_prefix}{STS_REGIONAL_ENDPOINTS}"
        warnings.append(f"ServiceAccount annotation {key}: {quoted(text)} is not a bool: ignored")
        return settings.sts_regional_endpoint
    return value


def _expiration(
    pod: Mapping[str, str],
    account: Mapping[str, str],
    mapped: MappedRole | None,
    settings: Settings,
    warnings: list[str],
) -> int:
    seconds = _annotated_expiration("Pod", pod, settings, warnings)
    if seconds is None and mapped is not None:
        seconds = mapped.token_expiration
    if seconds is None:
        seconds = _annotated_expiration("ServiceAccount", account, settings, warnings)
    if seconds is None:
        seconds = settings.token_expiration
    if seconds > MAX_TOKEN_EXPIRATION:
        asked = quoted(str(seconds))
        warnings.append(f"token expiration {asked} is more than Kubernetes takes: {MAX_TOKEN_EXPIRATION} s")
    return min(max(seconds, MIN_TOKEN_EXPIRATION), MAX_TOKEN_EXPIRATION)


def _annotated_expiration(
    kind: str, annotations: Mapping[str, str], settings: Settings, warnings: list[str]
) -> int | None:
    text = annotations.get(TOKEN_EXPIRATION)
    if text is None:
        return None
    seconds = parse_int(text)
    if seconds is None:
        key = f"{settings.own_prefix}{TOKEN_EXPIRATION}"
        warnings.append(f"{kind} annotation {key}: {quoted(text)} is not an integer: ignored")
    return seconds
