"""Completion in a real zsh and a real fish. That of bash, which every machine has, is in tests/commands."""

import pytest

from tests.shells import offered_by_fish, typed_in_zsh

TYPED = {
    "the start of a command": ("pod-identity-webhook rep", "pod-identity-webhook replay"),
    "a command in a group": ("pod-identity-webhook certs rot", "pod-identity-webhook certs rotate"),
    "a flag": ("pod-identity-webhook replay --fail", "pod-identity-webhook replay --fail-on"),
    "a value": ("pod-identity-webhook replay --output=js", "pod-identity-webhook replay --output=json"),
    "a file": ("pod-identity-webhook replay pyproj", "pod-identity-webhook replay pyproject.toml"),
}


@pytest.mark.parametrize(("line", "completed"), TYPED.values(), ids=TYPED)
def test_zsh_completes(line: str, completed: str) -> None:
    assert typed_in_zsh(f"{line}\t").rstrip() == completed


@pytest.mark.parametrize(("line", "completed"), TYPED.values(), ids=TYPED)
def test_fish_offers_the_word(line: str, completed: str) -> None:
    assert offered_by_fish(line) == [completed.rpartition(" ")[2]]


def test_fish_offers_every_value() -> None:
    assert offered_by_fish("pod-identity-webhook completion ") == ["bash", "fish", "zsh"]
