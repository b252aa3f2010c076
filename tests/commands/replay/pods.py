"""The pods that replay writes."""

from typing import Any

import yaml

OURS = ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"]


def patched_pods(out: str) -> list[Any]:
    return list(yaml.safe_load_all(out))
