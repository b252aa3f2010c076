"""Makes settings from parsed flags, and reports all problems together."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from webhook.admission.settings import Settings, partition_of
from webhook.commands.flags.flag import flags_of
from webhook.commands.flags.parsing import Parsed
from webhook.errors import SettingsError

_Made = TypeVar("_Made")


def settings_from(parsed: Parsed, kind: type[_Made], **decided: Any) -> _Made:
    """Makes an instance of the settings class `kind` from its flags and `decided`. Raises SettingsError."""
    return kind(**{flag.field: parsed.values[flag.field] for flag in flags_of(kind)}, **decided)


def is_self_managed(parsed: Parsed, environ: Mapping[str, str]) -> bool:
    """Whether `serve` makes its own certificate: --in-cluster decides; by default, in a cluster unless others are set.

    `parsed` are the flags of `serve`; `environ` is its environment, which tells whether it runs in a cluster.
    """
    if "in_cluster" in parsed.given:
        return bool(parsed.values["in_cluster"])
    others = {"tls_cert", "tls_key", "ephemeral_certificate", "service_accounts"}
    return bool(environ.get("KUBERNETES_SERVICE_HOST")) and others.isdisjoint(parsed.given)


def with_account(settings: Settings) -> Settings:
    """Adds the account that --compose-role-arn needs, from the metadata service if no flag sets it.

    Call it after all flags are checked, because it may take seconds. Raises MetadataError.
    """
    if not settings.compose_role_arn or (settings.aws_account_id and settings.aws_partition):
        return settings
    account, region = settings.aws_account_id, settings.aws_default_region
    if not account:
        # Import it only here: the HTTP client costs memory that other starts do not need.
        from webhook.server.imds import DEFAULT_ENDPOINT, instance_identity  # noqa: PLC0415

        identity = instance_identity(os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or DEFAULT_ENDPOINT)
        account, region = identity.accountId, identity.region
    partition = settings.aws_partition or partition_of(region)
    return dataclasses.replace(settings, aws_account_id=account, aws_partition=partition)


def checked(parsed: Parsed, *makers: Callable[[], _Made]) -> list[Any]:
    """Returns the results of `makers`. Raises one SettingsError for all their problems and those of the flags."""
    problems = list(parsed.problems)
    made: list[Any] = []
    for make in makers:
        try:
            made.append(make())
        except SettingsError as error:
            problems.extend(error.problems)
    if problems:
        raise SettingsError(problems)
    return made
