"""Manifests of ServiceAccounts in files, and what a store has read of them."""

import itertools
import json
import logging
import os
from pathlib import Path

import pytest

from webhook.admission.settings import Settings
from webhook.manifests.accounts import ManifestAccounts

SETTINGS = Settings()
ARN = "arn:aws:iam::123456789012:role/"

_TIMES = itertools.count(1_700_000_000)


def write(path: Path, text: str) -> None:
    """Writes in place, with a new modification time each time, even if the file system's clock is coarse."""
    path.write_text(text)
    time = next(_TIMES)
    os.utime(path, (time, time))


def account(name: str, role: str, namespace: str | None = "shop") -> str:
    metadata = {"name": name, "annotations": {"eks.amazonaws.com/role-arn": ARN + role, "other": "x"}}
    if namespace:
        metadata["namespace"] = namespace
    return json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}) + "\n"


def role_of(store: ManifestAccounts, name: str, namespace: str = "shop") -> str | None:
    found = store.get(namespace, name)
    return found.annotations["role-arn"].removeprefix(ARN) if found else None


def settled(store: ManifestAccounts) -> bool:
    """Checks twice: the first check finds the change, and the second one loads it because it has settled."""
    assert not store.check()
    return store.check()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
