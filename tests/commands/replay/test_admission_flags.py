"""The flags of replay that decide what pods get."""

import json
from pathlib import Path

import pytest

from tests.commands.manifests import config_map, pod, service_account, stream
from tests.commands.outcome import run
from tests.commands.replay.pods import OURS, patched_pods


def test_admission_flags_apply() -> None:
    text = stream(service_account(), pod())

    outcome = run(
        "replay", "-", "-o", "pod", "--aws-default-region=eu-central-1", "--token-expiration=3600", stdin=text,
        environ={"PIW_STS_REGIONAL_ENDPOINT": "true"},
    )  # fmt: skip

    (made,) = patched_pods(outcome.out)
    assert [variable["name"] for variable in made["spec"]["containers"][0]["env"]] == [
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        *OURS,
    ]
    assert made["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600


def test_the_mapping_applies_if_its_flag_is_set_and_bad_entries_are_reported() -> None:
    mapping = {"shop/web": {"RoleARN": "arn:aws:iam::111122223333:role/mapped"}, "no-slash": {"RoleARN": "x"}}
    text = stream(pod(), config_map(json.dumps(mapping)))

    outcome = run("replay", "-", "--watch-config-map", stdin=text)
    unasked = run("replay", "-", stdin=text)

    assert outcome.code == 0
    assert "role/mapped" in outcome.out
    assert outcome.err.startswith("pod-identity-webhook replay: standard input, line 2: data.config: ")
    assert "no-slash" in outcome.err
    assert outcome.err.count("\n") == 1
    assert (unasked.code, unasked.err, "role/mapped" in unasked.out) == (0, "", False)


def test_the_container_credentials_file_decides(tmp_path: Path) -> None:
    config = tmp_path / "identities.json"
    config.write_text('{"identities":[{"namespace":"shop","serviceAccount":"web"}]}')

    outcome = run("replay", "-", f"--watch-container-credentials-config={config}", stdin=stream(pod()))

    assert outcome.code == 0
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in outcome.out


@pytest.mark.parametrize(("content", "problem"), [(None, "No such file or directory"), ("{", "truncated")])
def test_a_container_credentials_file_that_cannot_be_used_is_a_usage_error(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    config = tmp_path / "identities.json"
    if content is not None:
        config.write_text(content)

    outcome = run("replay", "-", f"--watch-container-credentials-config={config}", stdin=stream(pod()))

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[0].startswith(
        f"pod-identity-webhook replay: --watch-container-credentials-config: {config}: "
    )
    assert problem in outcome.err.splitlines()[0]
