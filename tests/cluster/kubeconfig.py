"""Writes kubeconfig files, and exec plugins for them."""

import json
import sys
from pathlib import Path


def kubeconfig(path: Path, url: str, ca: Path, user: object) -> str:
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority": str(ca)}}],
                "users": [{"name": "u", "user": user}, {"name": "other", "user": {"token": "of-another"}}],
                "contexts": [
                    {"name": "one", "context": {"cluster": "c", "user": "u"}},
                    {"name": "two", "context": {"cluster": "c", "user": "other"}},
                ],
                "current-context": "one",
            }
        )
    )
    return str(path)


def plugin(folder: Path, status: dict[str, str]) -> dict[str, object]:
    """Returns an exec plugin that counts its calls: its first token is t1."""
    script = folder / "plugin.py"
    calls = folder / "calls"
    script.write_text(
        "import json, pathlib\n"
        f"calls = pathlib.Path({str(calls)!r})\n"
        "count = len(calls.read_text()) + 1 if calls.exists() else 1\n"
        "calls.write_text('x' * count)\n"
        f"status = {{key: value.replace('COUNT', str(count)) for key, value in {status!r}.items()}}\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
        " 'status': status}))\n"
    )
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(script)],
            "interactiveMode": "Never",
        }
    }
