"""A walk through docs/self-managed.md: its commands in a shell, its API server flags, a local bucket, and our STS."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.docs.self_managed import ACCOUNT, HOST, ISSUER, flags
from tests.e2e.cluster import Cluster
from tests.e2e.programs import kubectl
from tests.sts.accounts import Account, Role
from tests.sts.bounded_fetch import Fetcher
from tests.sts.server import Sts
from tests.sts.static_host import StaticHost

_ROOT: Final = Path(__file__).parents[2]
_AWS: Final = Path(__file__).with_name("recording_aws.sh")


def set_flags(cluster: Cluster, given: Iterable[str]) -> None:
    """Replaces the API server's flags of these names, for its next start."""
    given = list(given)
    names = {flag.partition("=")[0] for flag in given}
    others = [word for word in cluster.api_server.command if word.partition("=")[0] not in names]
    cluster.api_server.command = [*others, *given]


class Walk:
    """The admin's folder with what the page's commands need; `run` runs them. The caller must `close` it.

    The host has the issuer's name, but not its address: the commands that connect to it are told where it is.
    """

    def __init__(self, cluster: Cluster, directory: Path, aws: Path) -> None:
        self.cluster = cluster
        self.folder = directory / "admin"
        self.folder.mkdir()
        self.host = StaticHost(directory / "host", HOST)
        self.account = Account()
        self.sts = Sts(Fetcher(self.host.ca, {HOST: self.host.address}), {ACCOUNT: self.account})
        self.aws = aws
        (self.folder / "ca.crt").write_bytes(self.host.ca)
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "pod-identity-webhook").write_text(
            f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(_ROOT))} exec {shlex.quote(sys.executable)} -m webhook "$@"\n'
        )
        shutil.copy(_AWS, programs / "aws")
        for program in programs.iterdir():
            program.chmod(0o755)
        (programs / "kubectl").symlink_to(kubectl())
        self._environ = {
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "KUBECONFIG": str(cluster.kubeconfig),
            "RECORDED": str(self.folder / "recorded"),
            "REAL_AWS": str(aws / "bin/aws"),
            "SERVED": str(self.host.files),
            "AWS_ENDPOINT_URL_STS": self.sts.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def close(self) -> None:
        self.sts.close()
        self.host.close()

    def run(self, command: str, *, code: int = 0) -> str:
        """Runs a command line of the page, with yes as the answer to its question; returns its output."""
        address = "{}:{}".format(*self.host.address)
        if command.startswith(f"pod-identity-webhook issuer verify {ISSUER}"):
            command += f" --ca-file ca.crt --connect-to {address}"
        elif command.startswith("curl "):
            command += f" --cacert ca.crt --connect-to {HOST}:443:{address}"
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self._environ | {name: value for name, value in os.environ.items() if name.startswith("LC_")},
            input="y\n",
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def restart_with(self, heading: str, *numbers: int) -> None:
        """Restarts the API server with the flags in these blocks of a section, and those that it has already."""
        for number in numbers:
            set_flags(self.cluster, flags(heading, number, str(self.folder)))
        self.cluster.restart_api_server()

    def apply_recorded(self) -> None:
        """Does in the stand-in what the recorded commands for IAM do in AWS."""
        for line in (self.folder / "recorded").read_text().splitlines():
            words = line.split()
            given = dict(zip(words[2::2], words[3::2], strict=False))
            if words[1] == "create-open-id-connect-provider":
                self.account.providers[given["--url"].removeprefix("https://")] = {given["--client-id-list"]}
            elif words[1] == "create-role":
                document = self.folder / given["--assume-role-policy-document"].removeprefix("file://")
                self.account.roles[given["--role-name"]] = Role(document.read_text())

    def published(self, path: str) -> bytes:
        """Returns a document as the host serves it."""
        return (self.host.files / path).read_bytes()
