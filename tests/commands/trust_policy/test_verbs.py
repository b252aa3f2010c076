"""Help and wrong usage of trust-policy and its sub-commands."""

import pytest

from tests.commands.outcome import assert_golden, run
from webhook.commands.flags.flag import Flag
from webhook.commands.trust_policy.flags import EXPLAIN_FLAGS, LINT_FLAGS, RENDER_FLAGS

NAME = "pod-identity-webhook trust-policy"
ISSUER = ("--issuer", "https://oidc.example.com/c1")
RENDER = ("render", "--account", "111122223333", *ISSUER)
EXPLAIN = ("explain", "policy.json")


def test_help_names_the_sub_commands() -> None:
    outcome = run("trust-policy", "--help")

    assert (outcome.code, outcome.err) == (0, "")
    assert_golden("help-trust-policy.txt", outcome.out)


@pytest.mark.parametrize(
    ("name", "flags"), [("render", RENDER_FLAGS), ("lint", LINT_FLAGS), ("explain", EXPLAIN_FLAGS)]
)
def test_the_help_of_a_sub_command_has_every_flag_of_it(name: str, flags: tuple[Flag, ...]) -> None:
    outcome = run("trust-policy", name, "--help", "--bogus")

    assert (outcome.code, outcome.err) == (0, "")
    assert all(f"--{flag.name}" in outcome.out.split() for flag in flags)
    assert max(map(len, outcome.out.splitlines())) <= 100
    assert_golden(f"help-trust-policy-{name}.txt", outcome.out)


WRONG = {
    "no sub-command": ((), "a sub-command is missing: render, lint, explain"),
    "render without anything": (
        ("render",),
        "--issuer: set the issuer's URL",
        "--account: set the account of the role, 12 digits",
        "--service-account: set at least one NAMESPACE/NAME",
    ),
    "render with a file": (
        (*RENDER, "x.json", "--service-account", "shop/web"),
        "'x.json': trust-policy render takes flags only",
    ),
    "both wildcards": (
        (*RENDER, "--service-account", "*/*"),
        "--service-account: '*/*' would let every pod of the cluster assume the role; name either one",
    ),
    "a partial wildcard": (
        (*RENDER, "--service-account", "shop/app-*"),
        (
            "--service-account: 'shop/app-*': 'app-*' is no name of a ServiceAccount; a wildcard is a whole *, for the "
            "namespace or the name"
        ),
    ),
    "a namespace in capitals": (
        (*RENDER, "--service-account", "Shop/web"),
        "--service-account: 'Shop/web': 'Shop' is no name of a namespace",
    ),
    "a subject without a namespace": (
        (*RENDER, "--service-account", "web"),
        "--service-account: 'web' is not of the form NAMESPACE/NAME",
    ),
    "a short account": (
        ("render", *ISSUER, "--account", "1234", "--service-account", "shop/web"),
        "--account: '1234' is not 12 digits",
    ),
    "a partition that is none": (
        (*RENDER, "--service-account", "shop/web", "--partition", "AWS"),
        "--partition: 'AWS' is not a partition such as aws or aws-cn",
    ),
    "an issuer with a slash at its end": (
        ("render", "--issuer", "https://x.example.com/", "--account", "111122223333", "--service-account", "a/b"),
        (
            "--issuer: it ends with a slash, which AWS and Kubernetes do not treat alike; set --service-account-issuer "
            "of all API servers without it"
        ),
    ),
    "an issuer with http": (
        ("render", "--issuer", "http://x.example.com", "--account", "111122223333", "--service-account", "a/b"),
        (
            "--issuer: it begins with 'http://'. "
            "Serve the issuer with HTTPS, and set --service-account-issuer to a URL that begins with https://."
        ),
    ),
    "an audience with a variable": (
        (*RENDER, "--service-account", "a/b", "--audience", "${x}"),
        "--audience: '${x}' has a blank, a control character or ${, which no audience here can have",
    ),
    "lint without a file": (("lint",), "name at least one FILE, or '-' for standard input"),
    "lint of standard input twice": (("lint", "-", "-"), "'-': standard input can be read only once"),
    "explain without a token": (EXPLAIN, "set either --token or --service-account"),
    "explain with both": (
        (*EXPLAIN, "--token", "x", "--service-account", "a/b"),
        "set either --token or --service-account",
    ),
    "explain without a file": (("explain", "--token", "x"), "name exactly one FILE, or '-' for standard input"),
    "explain with a pattern": (
        (*EXPLAIN, *ISSUER, "--service-account", "shop/*"),
        "--service-account: 'shop/*': '*' is no name of a ServiceAccount",
    ),
    "explain of a ServiceAccount without an issuer": (
        (*EXPLAIN, "--service-account", "shop/web"),
        "--issuer: set the issuer's URL",
    ),
    "explain of a token with an audience": (
        (*EXPLAIN, "--token", "x", "--audience", "y", *ISSUER),
        "--issuer: cannot be used with --token, which has its own",
        "--audience: cannot be used with --token, which has its own",
    ),
    "a session name of one character": (
        (*EXPLAIN, "--token", "x", "--role-session-name", "y"),
        "--role-session-name: must be 2 to 64 letters, digits and characters of _+=,.@-",
    ),
    "a session name that STS refuses": (
        (*EXPLAIN, "--token", "x", "--role-session-name", "by hand"),
        "--role-session-name: must be 2 to 64 letters, digits and characters of _+=,.@-",
    ),
    "a session name of 65 characters": (
        (*EXPLAIN, "--token", "x", "--role-session-name", 65 * "y"),
        "--role-session-name: must be 2 to 64 letters, digits and characters of _+=,.@-",
    ),
    "a session name with a letter outside of ASCII": (
        (*EXPLAIN, "--token", "x", "--role-session-name", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
        "--role-session-name: must be 2 to 64 letters, digits and characters of _+=,.@-",
    ),
    "policy and token both from standard input": (
        ("explain", "-", "--token", "-"),
        "'-': standard input can be read only once",
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_usage_is_a_line_for_each_problem(wrong: tuple[object, ...]) -> None:
    argv, *problems = wrong
    assert isinstance(argv, tuple)
    outcome = run("trust-policy", *argv)

    name = " ".join([NAME, *argv[:1]])
    lines = [*(f"{name}: {problem}" for problem in problems), f"See '{name} --help'."]
    assert (outcome.code, outcome.out, outcome.err.splitlines()) == (2, "", lines)
