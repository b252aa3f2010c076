"""Resolves a pod's identity from its ServiceAccount, the mapping and the container credentials config."""

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from webhook.admission.annotations import AUDIENCE, ROLE_ARN, STS_REGIONAL_ENDPOINTS, TOKEN_EXPIRATION
from webhook.admission.container_credentials import ContainerCredentials
from webhook.admission.golang import parse_bool, parse_int
from webhook.admission.mapping import NO_MAPPING, MappedRole, RoleMapping
from webhook.admission.settings import MAX_TOKEN_EXPIRATION, MIN_TOKEN_EXPIRATION, Settings, partition_of
from webhook.admission.warning import quoted, short

Method: TypeAlias = Literal["sts_web_identity", "container_credentials"]

_ROLE_ARN: Final = re.compile(r"arn:aws[a-z0-9-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+", re.ASCII)
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
_MAX_ROLE_ARN: Final = 2048


class ServiceAccount(msgspec.Struct, frozen=True, gc=False):
    """The part of a ServiceAccount that admission needs: its annotations with our prefix; their keys omit the prefix.

    `meant`: the key of an annotation that was probably meant to be one of ours, and the name of ours.
    """

    namespace: str
    name: str
    annotations: dict[str, str] = {}
    meant: tuple[str, str] | None = None

    def __hash__(self) -> int:
        """Includes the values: an account whose annotations change often must not fill one bucket of a cache."""
        return hash((self.namespace, self.name, frozenset(self.annotations.values())))


def own_annotations(annotations: Mapping[str, str] | None, settings: Settings) -> dict[str, str]:
    """Returns the annotations with our prefix, without the prefix."""
    prefix = settings.own_prefix
    return {key.removeprefix(prefix): value for key, value in (annotations or {}).items() if key.startswith(prefix)}


def known_account(namespace: str, name: str, annotations: Mapping[str, str], settings: Settings) -> ServiceAccount:
    """Returns the ServiceAccount with this name and these annotations, as admission needs it."""
    return ServiceAccount(
        namespace, name, own_annotations(annotations, settings), settings.annotation_keys.meant(annotations)
    )


class Sources(msgspec.Struct, frozen=True):
    """The sources of an identity other than the ServiceAccount's annotation."""

    mapping: RoleMapping = NO_MAPPING
    container_credentials: ContainerCredentials = frozenset()

    def beside(self, account: "ServiceAccount | None", key: tuple[str, str]) -> "OtherSources":
        """Returns what these sources have for the ServiceAccount `key` (namespace, name).

        Looks for a mapping only if the ServiceAccount has no role annotation.
        """
        is_annotated = account is not None and account.annotations.get(ROLE_ARN)
        return OtherSources(None if is_annotated else self.mapping.find(*key), key in self.container_credentials)


class OtherSources(msgspec.Struct, frozen=True, gc=False):
    """What the sources other than the annotation have for one ServiceAccount."""

    mapped: MappedRole | None = None
    container_credentials: bool = False


class Identity(msgspec.Struct, frozen=True, gc=False):
    """The identity that a pod's containers get.

    `role_arn` is empty for container credentials; `expiration` is in seconds, already within Kubernetes' limits.
    """

    method: Method
    role_arn: str
    audience: str
    expiration: int
    regional_sts: bool


class NoIdentity(msgspec.Struct, frozen=True, gc=False):
    """The reason why a pod has no identity."""

    reason: Literal["no_role", "service_account_not_found", "invalid_role_arn"]
    message: str


def resolve(
    account: ServiceAccount | None,
    key: tuple[str, str],
    pod_annotations: Mapping[str, str],
    others: OtherSources,
    settings: Settings,
) -> tuple[Identity | NoIdentity, list[str]]:
    """Returns the identity of a pod that runs as the ServiceAccount `key` (namespace, name), and warnings.

    `account` is None if the ServiceAccount does not exist. `pod_annotations` holds the pod's annotations with our
    prefix, without the prefix. `others` holds what the other sources have for the ServiceAccount. The first match wins:
    container credentials, the ServiceAccount's annotation, an exact mapping, a mapping with globs.
    """
    annotations = account.annotations if account is not None else {}
    annotated, mapped = annotations.get(ROLE_ARN), others.mapped
    warnings: list[str] = []
    if account is not None and account.meant is not None and account.meant[1] not in annotations:
        warnings.append(unlike("ServiceAccount", *account.meant, settings))

    role_arn = _composed(annotated, settings) if annotated else mapped.role_arn if mapped else None
    if role_arn is None and not others.container_credentials:
        who, key_of_role = f"ServiceAccount {key[0]}/{key[1]}", f"{settings.own_prefix}{ROLE_ARN}"
        if account is None:
            return NoIdentity("service_account_not_found", f"{who} not found"), []
        if annotated is None:
            return NoIdentity("no_role", f"{who} has no {key_of_role} annotation"), warnings
        problem = f"annotation {key_of_role} of {who} is empty"
        return NoIdentity("no_role", problem), [*warnings, f"nothing injected: {problem}"]

    regional = _regional_sts(annotations, mapped, settings, warnings)
    expiration = _expiration(pod_annotations, annotations, mapped, settings, warnings)
    if others.container_credentials or role_arn is None:
        audience = settings.container_credentials_audience
        return Identity("container_credentials", "", audience, expiration, regional), warnings

    where = f"mapping {mapped.key}" if mapped else f"annotation {settings.own_prefix}{ROLE_ARN}"
    if not _is_role_arn(role_arn):
        problem = f"{where}: {quoted(role_arn)} is not a role ARN"
        if settings.invalid_role_arn == "skip":
            return NoIdentity("invalid_role_arn", problem), [f"nothing injected: {problem}"]
        warnings.append(f"injected unchanged: {problem}")
    elif settings.aws_default_region:
        warnings += _of_another_partition(role_arn, where, settings)

    if annotations.get(AUDIENCE) == "" and not (mapped and mapped.audience):
        warnings.append(_ignored("ServiceAccount", AUDIENCE, "", "", settings))
    audience = (mapped.audience if mapped else None) or annotations.get(AUDIENCE) or settings.token_audience
    return Identity("sts_web_identity", role_arn, audience, expiration, regional), warnings


def _is_role_arn(text: str) -> bool:
    return len(text) <= _MAX_ROLE_ARN and _ROLE_ARN.fullmatch(text) is not None


def _of_another_partition(role_arn: str, where: str, settings: Settings) -> list[str]:
    """Warns if the region that we set and the role are in different AWS partitions."""
    here, there = partition_of(settings.aws_default_region), role_arn.split(":", 2)[1]
    if here == there:
        return []
    region = f"the region {settings.aws_default_region} is in {here}"
    return [f"role of another partition: {where} has one of {there}, but {region}"]


def unlike(kind: str, key: str, meant: str, settings: Settings) -> str:
    """Returns the warning about an annotation `key` on an object of `kind`: it resembles our annotation `meant`."""
    return f"without effect: {kind} annotation {short(key)}; {settings.own_prefix}{meant} may be meant"


def _ignored(kind: str, name: str, value: str, wanted: str, settings: Settings) -> str:
    problem = f"{quoted(value)} is not {wanted}" if value else "it is empty"
    return f"ignored: {kind} annotation {settings.own_prefix}{name}: {problem}"


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
        warnings.append(_ignored("ServiceAccount", STS_REGIONAL_ENDPOINTS, text, "a boolean", settings))
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
        warnings.append(f"token expiration cut to {MAX_TOKEN_EXPIRATION} s, the maximum in Kubernetes: {asked}")
    return min(max(seconds, MIN_TOKEN_EXPIRATION), MAX_TOKEN_EXPIRATION)


def _annotated_expiration(
    kind: str, annotations: Mapping[str, str], settings: Settings, warnings: list[str]
) -> int | None:
    text = annotations.get(TOKEN_EXPIRATION)
    if text is None:
        return None
    seconds = parse_int(text)
    if seconds is None:
        warnings.append(_ignored(kind, TOKEN_EXPIRATION, text, "an integer", settings))
    return seconds
