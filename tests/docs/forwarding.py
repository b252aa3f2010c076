"""The commands of docs/replay.md that ask the webhook of a cluster, for the tests that have one."""

import shlex
from dataclasses import dataclass

from tests.docs.pages import ROOT, commands

# What the page shows.
NAME = "pod-identity-webhook"
LOCAL = "localhost:8443"
CLUSTER_IP = "10.96.7.7"


@dataclass(frozen=True)
class Shown:
    """The page's commands, as words: `forward` for kubectl, and the arguments of our command for each way to ask."""

    forward: list[str]
    through_forward: list[list[str]]
    through_cluster_ip: list[list[str]]


def shown(name: str, namespace: str, *, local: str = LOCAL, cluster_ip: str = CLUSTER_IP) -> Shown:
    """Returns the commands for a release whose objects have `name`, with the addresses of its webhook."""

    def adapted(command: str) -> list[str]:
        words = command.replace(f"{NAME}.{NAME}.svc", f"{name}.{namespace}.svc")
        words = words.replace(f"--namespace {NAME}", f"--namespace {namespace}").replace(
            f"service/{NAME}", f"service/{name}"
        )
        words = words.replace(LOCAL, local).replace(f"{CLUSTER_IP}/", f"{cluster_ip}/")
        return shlex.split(words)[1:]

    page = [
        line for line in commands(ROOT / "docs/replay.md") if "--ca-from-cluster" in line or line.startswith("kubectl ")
    ]
    (forward,) = (adapted(line) for line in page if line.startswith("kubectl "))
    return Shown(
        forward,
        [adapted(line) for line in page if LOCAL in line],
        [adapted(line) for line in page if CLUSTER_IP in line],
    )
