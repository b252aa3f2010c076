"""No environment variable means one thing to one command and another thing to another."""

import importlib
import pkgutil
from collections import defaultdict

import webhook.commands
from webhook.commands.flags.flag import Flag


def tables() -> dict[str, tuple[Flag, ...]]:
    """The flags of every command: each tuple `…_FLAGS` of flags in a module of webhook.commands."""
    found: dict[str, tuple[Flag, ...]] = {}
    for module in pkgutil.walk_packages(webhook.commands.__path__, "webhook.commands."):
        for name, value in vars(importlib.import_module(module.name)).items():
            is_table = name.endswith("_FLAGS") and not name.startswith("_") and isinstance(value, tuple)
            if is_table and all(isinstance(flag, Flag) for flag in value):
                found[name] = value
    return found


def test_every_command_has_its_table() -> None:
    assert {
        "SERVE_FLAGS",
        "REPLAY_FLAGS",
        "AUDIT_FLAGS",
        "SHOW_FLAGS",
        "ROTATE_FLAGS",
        "ISSUE_FLAGS",
    } <= tables().keys()


def test_no_variable_has_two_kinds_or_two_sets_of_choices() -> None:
    kinds = defaultdict(set)
    for flags in tables().values():
        for flag in flags:
            kinds[flag.variable or flag.name].add((flag.name, flag.kind, flag.choices))

    assert {variable: sorted(found) for variable, found in kinds.items() if len(found) > 1} == {}


def test_a_namespace_is_n_in_every_command() -> None:
    shorts = {name: flag.short for name, flags in tables().items() for flag in flags if flag.name == "namespace"}

    assert set(shorts.values()) == {"n"}
    assert {"SERVE_FLAGS", "REPLAY_FLAGS", "AUDIT_FLAGS", "SHOW_FLAGS", "ROTATE_FLAGS", "ISSUE_FLAGS"} <= shorts.keys()


def test_the_namespace_of_the_webhook_is_not_that_of_objects_without_one() -> None:
    variables = {name: flag.variable for name, flags in tables().items() for flag in flags if flag.name == "namespace"}

    assert variables["SERVE_FLAGS"] == variables["SHOW_FLAGS"] == "PIW_NAMESPACE"
    assert variables["REPLAY_FLAGS"] == "PIW_REPLAY_NAMESPACE"
