"""IRSA for real, with a kubelet: the AWS CLI has the role of a running pod, with the pod's variables and its own token.

Real are the cluster, the chart as installed, the pod on its node, the token that its kubelet asked for and keeps, the
documents that `issuer render --live` makes, and the AWS CLI. Not real are STS, which tests/sts stands in for, and three
things that a test on one machine cannot have:

- The AWS CLI runs beside the cluster, because our image does not contain it. It gets the AWS variables and the token
  that a process in the pod's container sees, and no others.
- The issuer is the one that the cluster has, mostly a name like kubernetes.default.svc, which AWS could not reach. The
  stand-in is told its address, and finds there a certificate of that name.
- The token lies in a file of the test, because its path in the container does not exist beside it.
"""

import json
import os
import subprocess
from pathlib import Path

from tests.aws.programs import AwsPrograms
from tests.cluster_e2e.connection import ProxiedApi
from tests.cluster_e2e.release import Release
from tests.cluster_e2e.workloads import REQUIRED, restricted_pod
from tests.e2e.api import Object
from tests.e2e.objects import ROLE, pods
from tests.e2e.programs import kubectl
from tests.e2e.waiting import wait_until
from tests.sts.server import Sts

_SEEN_IN_CONTAINER = """
import json, os
found = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
print(json.dumps({"variables": found, "token": open(found["AWS_WEB_IDENTITY_TOKEN_FILE"]).read()}))
"""


def test_with_the_kubelets_token_the_aws_cli_has_the_annotated_role(
    api: ProxiedApi, release: Release, namespace: str, image: str, sts: Sts, tmp_path: Path, aws: Path
) -> None:
    assert release.pods()
    body = restricted_pod("session", image, labels=REQUIRED)
    body["metadata"]["annotations"] = {"eks.amazonaws.com/role-session-name": "pod-name"}
    api.create(pods(namespace), body)
    seen = _seen_in_container(api, namespace, "session")
    token = tmp_path / "token"
    token.write_text(seen["token"])

    container = {**seen["variables"], "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    identity = AwsPrograms(aws, sts.url).cli(container).identity()

    assert identity["Arn"] == "arn:aws:sts::111122223333:assumed-role/s3-reader/session"
    assumed, asked = sts.calls
    assert (assumed.action, assumed.code, assumed.parameters["RoleArn"]) == ("AssumeRoleWithWebIdentity", "", ROLE)
    assert assumed.parameters["WebIdentityToken"] == seen["token"]
    assert (asked.action, asked.code, asked.signed_by) == ("GetCallerIdentity", "", assumed.given)


def _seen_in_container(api: ProxiedApi, namespace: str, name: str) -> Object:
    """Returns the AWS variables and the token of a pod, once it runs."""
    path = f"{pods(namespace)}/{name}"
    wait_until(
        lambda: api.get(path)["status"]["phase"] == "Running",
        f"{name} to run",
        within=120,
        last_seen=lambda: str(api.get(path)["status"]),
    )
    done = subprocess.run(
        [str(kubectl()), "exec", f"--namespace={namespace}", name, "--", "python3", "-c", _SEEN_IN_CONTAINER],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: Object = json.loads(done.stdout)
    return seen
