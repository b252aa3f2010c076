"""The role from IAM, through a program `aws` of the test, which answers as the AWS CLI does."""

import json
from pathlib import Path

import pytest

from webhook.commands.doctor.gathering.role import role_of_aws
from webhook.diagnosis.doctor.facts import Role
from webhook.diagnosis.doctor.read import Read
from webhook.issuer.trust_policy.provider import ProviderArn

_ROLE = "arn:aws:iam::111122223333:role/teams/s3-reader"
_PROVIDER = ProviderArn("aws", "111122223333", "oidc.example.com")
_FOUND = {"Role": {"Arn": _ROLE, "AssumeRolePolicyDocument": {}}}
_NO_SUCH = "An error occurred (NoSuchEntity) when calling the GetRole operation: not found"
_DENIED = "An error occurred (AccessDenied) when calling the GetRole operation: no"


async def _ask(folder: Path, **answers: object) -> Role:
    """Asks a program whose sub-commands print JSON, or end with an error if the answer is a text."""
    cases = []
    for name, answer in answers.items():
        command = name.replace("_", "-")
        if isinstance(answer, str):
            cases.append(f"{command}) echo '{answer}' >&2; exit 254;;")
        else:
            cases.append(f"{command}) echo '{json.dumps(answer)}';;")
    program = folder / "aws"
    program.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\ncase "$2" in\n{chr(10).join(cases)}\nesac\n')
    program.chmod(0o755)
    return await role_of_aws(_ROLE, _PROVIDER, {"PATH": f"{folder}:/usr/bin:/bin"})


async def test_the_role_and_the_provider_are_read_and_nothing_else_is_done(tmp_path: Path) -> None:
    role = await _ask(tmp_path, get_role=_FOUND, get_open_id_connect_provider={"ClientIDList": ["sts.amazonaws.com"]})

    assert role == Role(
        source="aws iam get-role", policy=Read(json.dumps(_FOUND)), client_ids=Read(["sts.amazonaws.com"])
    )
    assert (tmp_path / "calls").read_text().splitlines() == [
        "iam get-role --role-name s3-reader --output json",
        f"iam get-open-id-connect-provider --open-id-connect-provider-arn {_PROVIDER} --output json",
    ]


async def test_what_does_not_exist_is_missing_and_other_providers_are_listed(tmp_path: Path) -> None:
    listed = {"OpenIDConnectProviderList": [{"Arn": f"{_PROVIDER}/"}]}

    role = await _ask(
        tmp_path,
        get_role=_NO_SUCH,
        get_open_id_connect_provider=_NO_SUCH,
        list_open_id_connect_providers=listed,
    )

    assert role.policy.is_missing
    assert role.client_ids == Read(None)
    assert role.providers == ["oidc.example.com/"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(_DENIED, f"aws iam get-role: {_DENIED}", id="no right"),
        pytest.param([], "aws iam get-role: its answer is no JSON object", id="no object"),
        pytest.param(
            {"Role": {"Arn": "arn:aws:iam::999900001111:role/s3-reader"}},
            f"the AWS CLI sees the role arn:aws:iam::999900001111:role/s3-reader, not {_ROLE}: use credentials of the "
            "role's account",
            id="the role of that name in another account",
        ),
    ],
)
async def test_what_cannot_be_read_is_a_problem(tmp_path: Path, answer: object, problem: str) -> None:
    role = await _ask(tmp_path, get_role=answer, get_open_id_connect_provider=_DENIED)

    assert role.policy == Read(None, problem)
    assert role.client_ids == Read(None, f"aws iam get-open-id-connect-provider: {_DENIED}")


async def test_without_the_program_both_are_unknown() -> None:
    role = await role_of_aws(_ROLE, _PROVIDER, {"PATH": "/nowhere"})

    reason = "there is no aws on the PATH: install the AWS CLI, or give --trust-policy FILE"
    assert (role.policy, role.client_ids) == (Read(None, reason), Read(None, reason))
