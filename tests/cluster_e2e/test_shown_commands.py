"""Runs the helm commands that the documents show, in their order."""

import os
from collections.abc import Callable
from pathlib import Path

import helm_python
import pytest

from tests.cluster_e2e.connection import ProxiedApi
from tests.cluster_e2e.release import Release, image_values
from tests.cluster_e2e.workloads import remove_namespace
from tests.docs.pages import ROOT, commands
from tests.helm_command import HelmCommand, helm_command


@pytest.mark.parametrize("page", ["README.md", "charts/pod-identity-webhook/README.md"])
def test_the_shown_commands_install_test_and_uninstall(
    page: str, api: ProxiedApi, image: str, measured: Callable[[str], None]
) -> None:
    shown = [helm_command(line) for line in commands(ROOT / page) if line.startswith("helm ") and "|" not in line]
    assert [command.verb for command in shown][:2] == ["install", "test"]
    release = Release(api, shown[0].namespace, image, name=shown[0].release)
    kubeconfig = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or None
    try:
        with helm_python.Config(namespace=shown[0].namespace, kubeconfig_path=kubeconfig) as helm:
            for command in shown:
                assert command.namespace == shown[0].namespace
                _run(helm, command, image)
                release.wait_rolled_out()
        measured(f"{page}: {len(shown)} helm commands run as shown")
    finally:
        release.uninstall()
        release.close()
        remove_namespace(api, shown[0].namespace)


def _run(helm: helm_python.Config, command: HelmCommand, image: str) -> None:
    # Use the values as shown, but with the image that the nodes have.
    values = {**command.values, **image_values(image)}
    if command.verb == "install":
        helm.install(
            Path(ROOT, command.chart), command.release, values, create_namespace=command.create_namespace, timeout=120
        )
    elif command.verb == "upgrade":
        helm.upgrade(Path(ROOT, command.chart), command.release, values)
    else:
        helm.test(command.release, timeout=120)
