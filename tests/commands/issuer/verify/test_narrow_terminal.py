from datetime import UTC, datetime
from typing import Any

import pytest

from webhook.commands import screen
from webhook.commands.issuer.verify.output import print_text
from webhook.issuer.check import Check
from webhook.issuer.verification import Section

URL = "https://my-issuer-of-the-cluster.s3.eu-central-1.amazonaws.com"


def test_a_narrow_terminal_shows_a_url_to_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(screen, "_UNLIMITED", 60)
    check: Any = Check("https", "The URL begins with https://", "ok", URL)

    print_text(URL, [Section("Issuer", [check])], datetime(2026, 1, 1, tzinfo=UTC), "never", {})

    table = capsys.readouterr().out.split("Issuer\n")[1]
    shown = "".join(line[33:].strip() for line in table.splitlines()[:4])
    assert "…" not in table
    assert URL in shown
