"""IRSA for real: from an annotated ServiceAccount to `aws sts get-caller-identity`, and each link broken in turn.

Real are the API server with its issuer and tokens, the webhook as Helm installs it, the documents that `issuer render`
makes, and the AWS CLI and boto3. Two things are not: STS, which tests/sts stands in for, and kubelet, so a token lies
in a folder of the test. tests/cluster_e2e has a kubelet.
"""

import re
from pathlib import Path

import pytest

from tests.e2e.broken_links import BROKEN_LINKS, Broken, created_before_annotation
from tests.e2e.identity_chain import Chain
from tests.e2e.issuing_cluster import ISSUER
from tests.e2e.objects import ROLE

_FOUND_BY_US = {name: broken for name, broken in BROKEN_LINKS.items() if broken.found_by is not None}


@pytest.mark.parametrize("program", ["the AWS CLI", "boto3"])
def test_in_a_pod_an_aws_program_has_the_annotated_role(chain: Chain, program: str) -> None:
    chain.trust_rendered()

    done = chain.aws.boto3(chain.container) if program == "boto3" else chain.cli()

    session = chain.container["AWS_ROLE_SESSION_NAME"]
    assert session.startswith("pod-")
    identity = done.identity()
    assert identity.pop("UserId").endswith(f":{session}")
    assert identity == {
        "Account": "111122223333",
        "Arn": f"arn:aws:sts::111122223333:assumed-role/s3-reader/{session}",
    }
    # The home was new, so the program had no credentials but those that STS gave it.
    assumed, asked = chain.sts.calls
    assert (assumed.action, assumed.signed_by, assumed.code) == ("AssumeRoleWithWebIdentity", "", "")
    assert {name: assumed.parameters[name] for name in ("RoleArn", "RoleSessionName", "WebIdentityToken")} == {
        "RoleArn": ROLE,
        "RoleSessionName": session,
        "WebIdentityToken": Path(chain.container["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text(),
    }
    assert (asked.action, asked.signed_by, asked.code) == ("GetCallerIdentity", assumed.given, "")
    assert chain.sts.fetcher.fetched == [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/openid/v1/jwks"]


@pytest.mark.any_version
@pytest.mark.parametrize("broken", BROKEN_LINKS.values(), ids=BROKEN_LINKS)
def test_a_broken_link_gives_the_error_of_aws(chain: Chain, broken: Broken) -> None:
    broken.damage(chain)

    done = chain.cli()

    assert (done.code, done.output, re.sub(r"\b\d{10}\b", "TIME", done.error)) == (255, "", broken.printed)
    assert [(call.action, call.code) for call in chain.sts.calls] == [
        ("AssumeRoleWithWebIdentity", broken.code)
    ] * broken.calls


def test_a_pod_that_is_older_than_the_annotation_has_no_credentials(chain: Chain) -> None:
    created_before_annotation(chain)

    done = chain.cli()

    assert (done.code, done.output) == (255, "")
    assert done.error.startswith("Unable to locate credentials.")
    assert chain.sts.calls == []


def test_our_commands_accept_what_sts_accepts(chain: Chain) -> None:
    assert "✗" not in chain.verify(code=0)
    assert "allowed" in chain.explain(code=0)


@pytest.mark.any_version
@pytest.mark.parametrize("broken", _FOUND_BY_US.values(), ids=_FOUND_BY_US)
def test_our_commands_find_what_sts_refuses(chain: Chain, broken: Broken) -> None:
    broken.damage(chain)

    assert "✗" in (chain.verify if broken.found_by == "issuer verify" else chain.explain)(code=1)
