import pytest

from tests.commands.outcome import run

_SEE = "See 'pod-identity-webhook doctor --help'.\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        pytest.param(("--assume-role",), "--assume-role: needs a ServiceAccount, a pod or a workload", id="no target"),
        pytest.param(
            ("sa", "a/b", "--trust-policy=x", "--role-from-aws"),
            "--trust-policy and --role-from-aws: give only one of them",
            id="two sources of the role",
        ),
        pytest.param(("--connect-to=host",), "--connect-to: 'host' is not of the form HOST:PORT", id="no port"),
        pytest.param(
            ("--webhook-configuration=A",), "--webhook-configuration: 'A' is not an object's name", id="no name"
        ),
    ],
)
def test_wrong_usage_is_one_line(words: tuple[str, ...], problem: str) -> None:
    outcome = run("doctor", *words)

    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"pod-identity-webhook doctor: {problem}\n{_SEE}")


def test_a_policy_that_cannot_be_read_is_one_line() -> None:
    outcome = run("doctor", "sa", "a/b", "--trust-policy=/nowhere")

    assert (outcome.code, outcome.out, outcome.err) == (
        2,
        "",
        "pod-identity-webhook doctor: /nowhere: No such file or directory\n",
    )


def test_without_a_cluster_it_says_so() -> None:
    outcome = run("doctor", "--kubeconfig=/nowhere")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "pod-identity-webhook doctor: /nowhere: no such kubeconfig\n"
