"""docs/self-managed.md, without an API server. tests/e2e/test_self_managed.py walks through it with one.

The real AWS CLI checks the parameters of each aws command; no AWS account is asked.
"""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.aws.programs import AwsPrograms
from tests.commands.issuer.verify.issuer_server import Answer, serving
from tests.commands.outcome import Outcome, run
from tests.docs.pages import ROOT, commands
from tests.docs.refusing_endpoint import refusing
from tests.docs.self_managed import (
    DOCUMENTS,
    EKS,
    HARDENING,
    HOST,
    ISSUER,
    KEYS,
    PAGE,
    POD,
    PUBLISH,
    ROLE,
    ROTATION,
    SECTIONS,
    WEBHOOK,
    blocks,
    shown,
)
from tests.helm_command import helm_command

OURS = "pod-identity-webhook "
PROGRAMS = ("aws", "curl", "helm", "kubectl", "mkdir", "openssl", "pod-identity-webhook", "terraform")
DISCOVERY = ".well-known/openid-configuration"
# The service in the signature of a command's request, if it has another name.
SIGNED_FOR = {"s3api": "s3", "cloudwatch": "monitoring", "sts": "unsigned"}
AWS = [line for line in commands(PAGE) if line.startswith("aws ")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the key pair of the page."""
    monkeypatch.chdir(tmp_path)
    for command in shown(KEYS):
        shell(command)
    return tmp_path


def shell(command: str) -> str:
    """Runs a command line of the page as a shell does, and returns its output."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def ours(command: str, *more: str) -> Outcome:
    """Runs a command line of ours; writes its output to the file that it names, if any."""
    words, _, file = command.partition(" > ")
    outcome = run(*shlex.split(words)[1:], *more)
    assert outcome.code == 0, outcome.err
    if file:
        Path(file).write_text(outcome.out)
    return outcome


def ours_of(heading: str) -> list[str]:
    return shown(heading, OURS)


def test_every_command_is_of_a_section_and_a_program_that_the_tests_run() -> None:
    assert [line for section in SECTIONS for line in commands(PAGE, section)] == commands(PAGE)
    assert sorted({line.split()[0] for line in commands(PAGE)}) == list(PROGRAMS)


@pytest.mark.usefixtures("folder")
def test_openssl_makes_the_pair_that_the_page_describes() -> None:
    assert shell(shown(KEYS)[-1]).startswith("Public-Key: (2048 bit)\n")


def test_our_commands_from_the_key_to_the_role_work_in_their_order(folder: Path) -> None:
    (render,) = ours_of(DOCUMENTS)
    ours(render)
    (discovery,) = blocks(DOCUMENTS, "json")
    written = {path: (folder / "issuer" / path).read_bytes() for path in ("openid/v1/jwks", DISCOVERY)}
    assert json.loads(written[DISCOVERY]) == json.loads(discovery)

    publish, verify = ours_of(PUBLISH)
    printed = [line for line in ours(publish).out.splitlines() if line.startswith("aws ")]
    assert shown(PUBLISH, "aws ")[:-1] == printed
    with serving(folder, name=HOST) as served:
        served.answers |= {f"/{path}": Answer(200, document) for path, document in written.items()}
        assert "✗" not in ours(verify, *served.flags).out

    policy, lint, explain = ours_of(ROLE)
    ours(policy)
    assert json.loads(Path("trust.json").read_text()) == json.loads(blocks(ROLE, "json")[0])
    assert ours(lint).out == ""
    assert ours(explain).out.startswith("allowed")


@pytest.mark.usefixtures("folder")
def test_our_commands_of_a_rotation_publish_both_keys_and_then_the_new_one() -> None:
    ours(*ours_of(DOCUMENTS))
    for command in shown(ROTATION, "openssl "):
        shell(command)
    merge, publish_both, _live, render, publish_new = ours_of(ROTATION)

    ours(merge)
    assert len(json.loads(Path("issuer/openid/v1/jwks").read_text())["keys"]) == 2
    ours(render)
    assert len(json.loads(Path("issuer/openid/v1/jwks").read_text())["keys"]) == 1
    assert publish_both == publish_new
    assert ours(publish_new.removesuffix(" --run")).out.count("\naws s3api put-object ") == 2


def test_the_policy_for_eks_has_the_path_of_its_issuer_in_the_condition_keys() -> None:
    (render,) = ours_of(EKS)
    (statement,) = json.loads(ours(render).out)["Statement"]

    _, provider = statement["Principal"]["Federated"].split("/", 1)
    assert sorted(statement["Condition"]["StringEquals"]) == [f"{provider}:aud", f"{provider}:sub"]


@pytest.mark.usefixtures("folder")
def test_the_role_that_is_linted_is_what_aws_prints() -> None:
    (lint,) = ours_of(HARDENING)
    policy = json.loads(blocks(ROLE, "json")[0])
    role = {"Arn": "arn:aws:iam::111122223333:role/shop-reports", "AssumeRolePolicyDocument": policy}
    Path("role.json").write_text(json.dumps({"Role": role}))

    assert ours(lint).out == ""


@pytest.mark.parametrize("command", sorted(set(AWS)), ids=lambda command: " ".join(command.split()[1:3]))
def test_the_aws_cli_accepts_the_parameters(command: str, aws: Path, tmp_path: Path) -> None:
    for path in ("trust.json", "token", "issuer/openid/v1/jwks", f"issuer/{DISCOVERY}"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("of the page")
    words = [
        f"{tmp_path}/{word}" if word.startswith("issuer/") else word.replace("file://", f"file://{tmp_path}/")
        for word in shlex.split(command.partition(" > ")[0])[1:]
    ]
    with refusing() as (url, arrived):
        keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_ENDPOINT_URL": url}
        done = AwsPrograms(aws, url).cli(keys, *words)

    assert arrived == [SIGNED_FOR.get(words[0], words[0])], done.error


def test_the_chart_gives_pods_the_region_of_the_page() -> None:
    helm_python = pytest.importorskip("helm_python", reason="the Helm SDK has no wheel for this platform")
    install, test = (helm_command(line) for line in shown(WEBHOOK, "helm "))

    with helm_python.Chart.load(ROOT / install.chart) as chart:
        rendered = chart.render(install.values, name=install.release, namespace=install.namespace)
    deployment = yaml.safe_load(next(text for path, text in rendered.items() if path.endswith("/deployment.yaml")))
    container: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    assert "eu-central-1" in json.dumps([container.get("args"), container.get("env")])
    assert deployment["spec"]["replicas"] == 2
    assert (test.release, test.namespace) == (install.release, install.namespace)


def test_the_filter_for_the_role_names_the_subject_of_its_trust_policy() -> None:
    (statement,) = json.loads(blocks(ROLE, "json")[0])["Statement"]
    subject = statement["Condition"]["StringEquals"][f"{ISSUER.removeprefix('https://')}:sub"]
    (by_others,) = [line for line in shown(HARDENING, "aws logs put-metric-filter") if "by-others" in line]

    assert f'$.userIdentity.userName != "{subject}"' in by_others
    assert f'role/{shlex.split(shown(POD, "kubectl")[2])[-1].rpartition("/")[2]}"' in by_others
