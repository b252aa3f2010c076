"""Two pairs of one CA, and how they get into files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from certs.issue import Names, issue_ca, issue_leaf
from webhook.server.certificates.tls_settings import TlsSettings

NOW = datetime.now(UTC).replace(microsecond=0)
CA = issue_ca(NOW, common_name="test CA")
NAMES = Names.parse(["hook.eks.svc", "127.0.0.1"])
OLD, NEW = (issue_leaf(CA, NAMES, NOW, lifetime=timedelta(days=days)) for days in (10, 20))
SETTINGS = TlsSettings()


def write(directory: Path, *, certificate: bytes | None = None, key: bytes | None = None) -> None:
    """Replaces each file atomically, as careful writers do."""
    for name, content in (("tls.crt", certificate), ("tls.key", key)):
        if content is not None:
            (directory / "new").write_bytes(content)
            (directory / "new").replace(directory / name)
