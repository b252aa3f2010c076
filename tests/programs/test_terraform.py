"""examples/terraform: its format, its variables, and its trust policy, by the real Terraform and AWS provider.

No AWS account is asked. The part for Kubernetes is left out where its provider is missing.
"""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.commands.outcome import run
from tests.docs.self_managed import TERRAFORM, shown
from tests.programs.terraform import EXAMPLE, plugins, succeeded, terraform

SUBJECT = ("--issuer=https://oidc.example.com/c1", "--account=111122223333", "--service-account=shop/reports")
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/c1"
VALUES = {
    "issuer": "https://oidc.example.com/c1",
    "namespace": "shop",
    "service_account": "reports",
    "role_name": "shop-reports",
}
# Literals of `trust-policy render`, and what stands for them in the example.
EXPRESSIONS = {
    f'"{PROVIDER}"': "aws_iam_openid_connect_provider.cluster.arn",
    "oidc.example.com/c1:": "${local.issuer}:",
    '"sts.amazonaws.com"': "var.audience",
    "serviceaccount:shop:reports": "serviceaccount:${var.namespace}:${var.service_account}",
}
REFUSED = {
    "issuer": [
        "http://oidc.example.com",
        "https://oidc.example.com/",
        "https://oidc.example.com:8443",
        "https://oidc.example.com?a=b",
        "https://OIDC.example.com",
        f"https://{'a' * 248}",
        "oidc.example.com",
    ],
    "audience": ["", "a" * 256],
    "namespace": ["*", "shop/reports", "Shop", "-shop", "a" * 64, ""],
    "service_account": ["*", "shop/reports", "Reports", "reports.", "a" * 254, ""],
    "role_name": ["a role", "path/role", "a" * 65, ""],
}
ACCEPTED = {
    "issuer": ["https://my-issuer.s3.eu-central-1.amazonaws.com", f"https://{'a' * 247}"],
    "service_account": ["reports.v2", "a" * 253],
    "namespace": ["a", "a" * 63],
    "role_name": ["a" * 64],
}
# The provider never asks AWS here: the test gives the answers of both resources.
OFFLINE = """
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}
"""
RENDERED = f"""
override_resource {{
  target = aws_iam_openid_connect_provider.cluster
  values = {{ arn = "{PROVIDER}" }}
}}
override_resource {{
  target = aws_iam_role.pods
}}
run "the_policy" {{
  assert {{
    condition     = jsondecode(output.trust_policy) == jsondecode(file("expected.json"))
    error_message = output.trust_policy
  }}
  assert {{
    condition     = aws_iam_role.pods.assume_role_policy == output.trust_policy
    error_message = aws_iam_role.pods.assume_role_policy
  }}
  assert {{
    condition     = output.provider_arn == "{PROVIDER}"
    error_message = output.provider_arn
  }}
}}
"""


@pytest.fixture
def aws_part(tmp_path: Path) -> Path:
    """A copy of the example without its part for Kubernetes, with the AWS provider."""
    folder = tmp_path / "terraform"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".terraform*"))
    (folder / "kubernetes.tf").unlink()
    versions = (folder / "versions.tf").read_text()
    without = re.sub(r"    kubernetes = \{.*?\n    \}\n", "", versions, flags=re.DOTALL)
    assert without != versions
    (folder / "versions.tf").write_text(without)
    (folder / "offline.tf").write_text(OFFLINE)
    succeeded(terraform(folder, "init", "-input=false", f"-plugin-dir={plugins('hashicorp/aws')}"))
    return folder


def test_the_trust_policy_is_what_our_command_writes() -> None:
    rendered = run("trust-policy", "render", *SUBJECT, "--output=terraform").out
    for literal, expression in EXPRESSIONS.items():
        assert literal in rendered
        rendered = rendered.replace(literal, expression)

    assert f"\n{rendered.strip()}\n" in (EXAMPLE / "main.tf").read_text()


def test_pods_get_tokens_for_the_audience_of_the_provider_and_the_policy() -> None:
    found = re.findall(r'^ +"(\S+)" = (\S+)$', (EXAMPLE / "kubernetes.tf").read_text(), re.MULTILINE)

    assert dict(found) == {
        "eks.amazonaws.com/role-arn": "aws_iam_role.pods.arn",
        "eks.amazonaws.com/audience": "var.audience",
    }


def test_terraform_evaluates_the_trust_policy_to_our_json(aws_part: Path) -> None:
    (aws_part / "expected.json").write_text(run("trust-policy", "render", *SUBJECT).out)
    (aws_part / "policy.tftest.hcl").write_text(RENDERED)
    (aws_part / "terraform.tfvars.json").write_text(json.dumps(VALUES))

    assert "1 passed, 0 failed" in succeeded(terraform(aws_part, "test", "-no-color"))


def test_the_aws_provider_finds_the_example_valid(aws_part: Path) -> None:
    assert json.loads(succeeded(terraform(aws_part, "validate", "-json")))["diagnostics"] == []


def test_the_example_is_formatted() -> None:
    assert succeeded(terraform(EXAMPLE, "fmt", "-check", "-diff", "-recursive")) == ""


def test_the_variables_refuse_what_no_cluster_and_no_role_has(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "variables.tf", tmp_path)
    refused = [(name, text, [f"var.{name}"]) for name, texts in REFUSED.items() for text in texts]
    accepted: list[tuple[str, str, list[str]]] = [
        (name, text, []) for name, texts in ACCEPTED.items() for text in texts
    ]
    runs = [
        f'run "number_{number}" {{\n  command = plan\n  variables {{\n    {name} = {json.dumps(text)}\n  }}\n'
        f"  expect_failures = [{', '.join(failures)}]\n}}\n"
        for number, (name, text, failures) in enumerate([*refused, *accepted])
    ]
    (tmp_path / "variables.tftest.hcl").write_text("".join(runs))
    (tmp_path / "terraform.tfvars.json").write_text(json.dumps(VALUES))
    succeeded(terraform(tmp_path, "init", "-input=false"))

    done = succeeded(terraform(tmp_path, "test", "-no-color"))
    assert f"{len(runs)} passed, 0 failed" in done


def test_every_variable_and_output_is_described_and_every_variable_checked() -> None:
    for file, kind in (("variables.tf", "variable"), ("outputs.tf", "output")):
        found = re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}', (EXAMPLE / file).read_text(), re.MULTILINE | re.DOTALL)
        assert found
        for name, body in found:
            assert "  description = " in body, name
            assert kind == "output" or "  validation {" in body, name


def test_the_page_sets_the_variables_without_a_default() -> None:
    init, apply = (shlex.split(line) for line in shown(TERRAFORM))
    text = (EXAMPLE / "variables.tf").read_text()
    bodies = re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', text, re.MULTILINE | re.DOTALL)

    assert (init[1:], apply[1:3]) == (["-chdir=examples/terraform", "init"], ["-chdir=examples/terraform", "apply"])
    assert [word.partition("=")[0] for word in apply[4::2]] == [name for name, body in bodies if "default" not in body]
    assert set(apply[3::2]) == {"-var"}
