"""From parsed flags to settings, every problem of all of them at once."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any, TypeVar

from webhook.admission.settings import Settings, partition_of
from webhook.commands.flags.flag import flags_of
from webhook.commands.flags.parsing import Parsed
from webhook.errors import SettingsError

_Made = TypeVar("_Made")


def settings_from(parsed: Parsed, kind: type[_Made], **decided: Any) -> _Made:
    """The settings class `kind` with the values of its flags, and with `decided`. Raises SettingsError."""
    return kind(**{flag.field: parsed.values[flag.field] for flag in flags_of(kind)}, **decided)


def with_account(settings: Settings) -> Settings:
    """`settings` with the account that --compose-role-arn needs, which the metadata service names if no flag does.

    Not before all flags are known to be right: it may take seconds. Raises MetadataError.
    """
    if not settings.compose_role_arn or (settings.aws_account_id and settings.aws_partition):
        return settings
    account, region = settings.aws_account_id, settings.aws_default_region
    if not account:
        # Only here: it takes an HTTP client, which no other start pays for.
        from webhook.server.imds import DEFAULT_ENDPOINT, instance_identity  # noqa: PLC0415

        identity = instance_identity(os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or DEFAULT_ENDPOINT)
        account, region = identity.accountId, identity.region
    partition = settings.aws_partition or partition_of(region)
    return dataclasses.replace(settings, aws_account_id=account, aws_partition=partition)


def checked(parsed: Parsed, *makers: Callable[[], _Made]) -> list[Any]:
    """What each of `makers` makes. Raises one SettingsError for all of their problems and the flags' own."""
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
