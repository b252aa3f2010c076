from typing import Any

import pytest

from webhook.commands.flags.running_flags import UnreadableFlags, flags_of

Object = dict[str, Any]


def template(*others: Object, **container: Any) -> Object:
    return {"spec": {"containers": [*others, {"name": "pod-identity-webhook", **container}]}}


WORDS: dict[str, Object] = {
    "the chart's command": {"command": ["pod-identity-webhook", "serve"], "args": ["--token-audience=example.com"]},
    "the image's own command": {"args": ["serve", "--token-audience=example.com"]},
    "the image's own command with the other webhook's arguments": {"args": ["--token-audience", "example.com"]},
    "the other webhook's command": {"command": ["/webhook", "--token-audience=example.com"]},
    "a command with its path": {"command": ["/opt/bin/pod-identity-webhook", "serve", "--token-audience=example.com"]},
    "a variable": {"args": ["serve"], "env": [{"name": "PIW_TOKEN_AUDIENCE", "value": "example.com"}]},
    "an argument over a variable": {
        "args": ["serve", "--token-audience=example.com"],
        "env": [{"name": "PIW_TOKEN_AUDIENCE", "value": "other"}],
    },
    "a reference to a variable": {
        "args": ["serve", "--token-audience=$(HOST)"],
        "env": [{"name": "DOMAIN", "value": "com"}, {"name": "HOST", "value": "example.$(DOMAIN)"}],
    },
}


@pytest.mark.parametrize("container", WORDS.values(), ids=WORDS)
def test_flags_are_those_that_serve_would_read(container: Object) -> None:
    parsed, unread = flags_of(template({"name": "proxy", "args": ["--x"]}, **container))

    assert (parsed.values["token_audience"], unread) == ("example.com", [])
    assert "token_audience" in parsed.given
    assert "token_expiration" not in parsed.given


def test_a_reference_to_nothing_and_a_doubled_dollar_sign_stay_as_in_kubernetes() -> None:
    parsed, _ = flags_of(template(args=["--token-audience=$(NOT_THERE)$$(HOST)"], env=[{"name": "HOST", "value": "x"}]))

    assert parsed.values["token_audience"] == "$(NOT_THERE)$(HOST)"


def test_what_other_objects_set_is_named() -> None:
    secret = {"secretKeyRef": {"name": "secret", "key": "key"}}
    env = [{"name": "PIW_TOKEN_AUDIENCE", "valueFrom": secret}, {"name": "HTTP_PROXY", "valueFrom": secret}]
    parsed, unread = flags_of(template(args=["serve"], env=env, envFrom=[{"prefix": "PIW_", "configMapRef": {}}]))

    assert unread == ["envFrom of PIW_*", "PIW_TOKEN_AUDIENCE (valueFrom)"]
    assert parsed.values["token_audience"] == "sts.amazonaws.com"


UNREADABLE: dict[str, tuple[Object, str]] = {
    "another program": (
        template(command=["sh", "-c", "exec pod-identity-webhook serve"]),
        "none of its containers runs pod-identity-webhook serve",
    ),
    "another verb": (template(args=["certs", "show"]), "none of its containers runs pod-identity-webhook serve"),
    "a flag of another version": (
        template(args=["serve", "--from-the-future"]),
        "this version does not understand its flags: --from-the-future: no such flag",
    ),
    "a value of another version": (
        template(args=["serve", "--invalid-role-arn=ask"]),
        "this version does not understand its flags: --invalid-role-arn: 'ask' is not one of inject, skip",
    ),
    "a value that makes no sense": (
        template(args=["serve", "--token-mount-path=relative"]),
        "this version does not understand its flags: --token-mount-path",
    ),
    "a word that is no flag": (
        template(args=["serve", "more"]),
        "this version does not understand its flags: 'more' is no flag",
    ),
    "several containers of other names": (
        {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}},
        "none of its containers runs pod-identity-webhook serve",
    ),
    "no containers": ({}, "none of its containers runs pod-identity-webhook serve"),
}


@pytest.mark.parametrize(("given", "why"), UNREADABLE.values(), ids=UNREADABLE)
def test_flags_that_cannot_be_read_are_not_guessed(given: Object, why: str) -> None:
    with pytest.raises(UnreadableFlags) as raised:
        flags_of(given)

    assert str(raised.value).startswith(why)


def test_an_image_alone_runs_serve_with_its_defaults() -> None:
    parsed, unread = flags_of(template())

    assert (parsed.given, unread) == (set(), [])


@pytest.mark.parametrize(
    "container",
    [
        {"image": "r/pod-identity-webhook:1", "args": ["--sts-regional-endpoint"]},
        {"args": ["serve", "--sts-regional-endpoint"]},
    ],
    ids=["our image", "our verb"],
)
def test_the_container_may_have_any_name(container: Object) -> None:
    parsed, _ = flags_of({"spec": {"containers": [{"name": "proxy"}, {"name": "webhook", **container}]}})

    assert parsed.values["sts_regional_endpoint"] is True
