"""What docs/self-managed.md shows, for the tests with and without an API server."""

import re
from typing import Final

from tests.docs.pages import ROOT, commands

PAGE: Final = ROOT / "docs/self-managed.md"
HOST: Final = "my-issuer.s3.eu-central-1.amazonaws.com"
ISSUER: Final = f"https://{HOST}"
ACCOUNT: Final = "111122223333"
KEY_FOLDER: Final = "/etc/kubernetes/pki"
KEYS, FLAGS, DOCUMENTS, PUBLISH, ROLE, WEBHOOK, POD = (
    "1. A key pair",
    "2. The API server's flags",
    "3. The two documents",
    "4. Publish them, and tell IAM",
    "5. A role",
    "6. The webhook",
    "7. A ServiceAccount and a pod",
)
TERRAFORM: Final = "With Terraform"
ROTATION: Final = "Rotate the key"
ISSUER_CHANGE: Final = "Change the issuer of a running cluster"
EKS: Final = "On EKS"
HARDENING: Final = "Hardening"
SECTIONS: Final = (
    *(KEYS, FLAGS, DOCUMENTS, PUBLISH, ROLE, WEBHOOK, POD),
    *(TERRAFORM, ROTATION, ISSUER_CHANGE, EKS, HARDENING),
)


def shown(heading: str, beginning: str = "") -> list[str]:
    """Returns the command lines of a section that begin with `beginning`."""
    return [line for line in commands(PAGE, heading) if line.startswith(beginning)]


def blocks(heading: str, language: str) -> list[str]:
    """Returns the fenced blocks of a section in this language."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def flags(heading: str, number: int, folder: str) -> list[str]:
    """Returns the API server's flags in the block of this number, with the key files in `folder`."""
    return blocks(heading, "text")[number].replace(KEY_FOLDER, folder).split()
