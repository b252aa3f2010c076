from pathlib import Path

from tests.commands.certs.test_show import closed_address
from tests.commands.outcome import run
from tests.commands.replay.live import kubeconfig


def test_a_cluster_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    url = f"http://{closed_address()}"
    done = run("certs", "show", f"--kubeconfig={kubeconfig(tmp_path / 'config', here=url)}")

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"pod-identity-webhook certs show: the API server at {url} cannot be reached: ")
    assert done.err.count("\n") == 1


def test_all_that_is_wrong_with_the_flags_is_said_at_once() -> None:
    done = run(
        "certs", "show", "word", "--address=here", "--namespace=A.b", "--tls-secret=A_", "--webhook-configuration="
    )

    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "pod-identity-webhook certs show: 'word': certs show takes flags only",
        "pod-identity-webhook certs show: --namespace: 'A.b' is not a valid name (DNS label)",
        "pod-identity-webhook certs show: --tls-secret: 'A_' is not a valid name (DNS subdomain)",
        "pod-identity-webhook certs show: --webhook-configuration: must not be empty",
        "pod-identity-webhook certs show: --address: 'here' is not of the form HOST:PORT",
        "See 'pod-identity-webhook certs show --help'.",
    ]
