"""The chart's test: creates pods as a dry run, and checks that they get the role of their ServiceAccount.

Runs in a pod and needs only Python. Exit code 0: a plain pod and a pod labelled as requiring its role both got it.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

CREDENTIALS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# Seconds. After an installation without --wait, the webhook may still be starting.
PATIENCE = 60.0
PAUSE = 2.0


def pod(labels: dict[str, str]) -> dict[str, Any]:
    """A pod that every Pod Security Standard allows."""
    unprivileged = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "dry-run-", "labels": labels},
        "spec": {
            "serviceAccountName": os.environ["TEST_SERVICE_ACCOUNT"],
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "test", "image": "never-pulled", "securityContext": unprivileged}],
        },
    }


def created(wanted: dict[str, Any]) -> dict[str, Any]:
    """Creates the pod as a dry run; returns it as the API server would store it. Raises OSError."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    request = urllib.request.Request(
        f"https://{host}:{port}/api/v1/namespaces/{os.environ['TEST_NAMESPACE']}/pods?dryRun=All",
        json.dumps(wanted).encode(),
        {
            "Authorization": f"Bearer {(CREDENTIALS / 'token').read_text().strip()}",
            "Content-Type": "application/json",
        },
    )
    context = ssl.create_default_context(cafile=str(CREDENTIALS / "ca.crt"))
    # CAs of Kubernetes clusters may lack extensions that Python 3.13 requires by default.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with urllib.request.urlopen(request, timeout=30, context=context) as answer:  # noqa: S310 - as above
        result: dict[str, Any] = json.load(answer)
    return result


def missing(stored: dict[str, Any]) -> str:
    """Says what the pod lacks; empty if it lacks nothing."""
    container = stored["spec"]["containers"][0]
    variables = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
    role = variables.get("AWS_ROLE_ARN")
    if role != os.environ["TEST_ROLE_ARN"]:
        return f"AWS_ROLE_ARN is {'not set' if role is None else role}"
    path = variables.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    if not path:
        return "AWS_WEB_IDENTITY_TOKEN_FILE is not set"
    names = [mount["name"] for mount in container.get("volumeMounts", []) if path.startswith(mount["mountPath"] + "/")]
    for volume in stored["spec"].get("volumes", []):
        sources = volume.get("projected", {}).get("sources", [])
        if volume["name"] in names and any("serviceAccountToken" in source for source in sources):
            return ""
    return f"no token is mounted at {path}"


def problem(labels: dict[str, str]) -> str:
    """Says what is wrong with a pod that has these labels; empty if nothing is."""
    try:
        return missing(created(pod(labels)))
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}: {error.read(4096).decode(errors='replace').strip()}"
    except OSError as error:
        return str(error)


def main() -> int:
    """Tries until both pods get their role, or until the time limit; returns the exit code."""
    labels = json.loads(os.environ["TEST_POD_LABELS"])
    # The labelled pod comes first: if the API server cannot reach the webhook, its refusal says why.
    for kind, more in (("labelled", {os.environ["TEST_REQUIRE_LABEL"]: "true"}), ("plain", {})):
        deadline = time.monotonic() + PATIENCE / 2
        while wrong := problem({**labels, **more}):
            print(f"{kind} pod: {wrong}", flush=True)
            if time.monotonic() > deadline:
                return 1
            time.sleep(PAUSE)
        print(f"{kind} pod: has its role and its token", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
