"""The chart's test: pods that the API server only pretends to create come back with the role of their ServiceAccount.

Runs in a pod, with Python alone. Exit code 0: both a plain pod and one that is labelled as needing its role got it.
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
# After an installation without --wait, the webhook may just be starting.
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
    """What the API server would store. Raises OSError."""
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
    # Kubernetes lets CAs lack extensions that Python 3.13 insists on.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with urllib.request.urlopen(request, timeout=30, context=context) as answer:  # noqa: S310 - as above
        result: dict[str, Any] = json.load(answer)
    return result


def missing(stored: dict[str, Any]) -> str:
    """What the pod lacks; empty where it lacks nothing."""
    container = stored["spec"]["containers"][0]
    variables = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
    role = variables.get("AWS_ROLE_ARN")
    if role != os.environ["TEST_ROLE_ARN"]:
        return f"AWS_ROLE_ARN is {role}"
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
    """What is wrong with a pod of these labels; empty where nothing is."""
    try:
        return missing(created(pod(labels)))
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}: {error.read(4096).decode(errors='replace').strip()}"
    except OSError as error:
        return str(error)


def main() -> int:
    """Tries until both pods are right or patience ends."""
    labels = json.loads(os.environ["TEST_POD_LABELS"])
    # The one that must not start without its role first: the API server says what is wrong with it.
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
