"""Policies in files for the commands."""

import json
from pathlib import Path
from typing import Any

ARN = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/c1"
ISSUER = "https://oidc.example.com/c1"
SUB, AUD = "oidc.example.com/c1:sub", "oidc.example.com/c1:aud"
REPORTS = "system:serviceaccount:shop:reports"
EXACT = {"StringEquals": {SUB: REPORTS, AUD: "sts.amazonaws.com"}}


def policy(conditions: Any = None, **members: Any) -> dict[str, Any]:
    """A policy with one statement; `conditions` is its Condition, and exact by default."""
    whole = {
        "Effect": "Allow",
        "Principal": {"Federated": ARN},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": EXACT if conditions is None else conditions,
    }
    return {"Version": "2012-10-17", "Statement": [whole | members]}


def written(folder: Path, content: Any, name: str = "policy.json") -> str:
    """Writes a file; returns its name."""
    path = folder / name
    data = content if isinstance(content, bytes) else json.dumps(content, indent=2).encode()
    path.write_bytes(data)
    return str(path)
