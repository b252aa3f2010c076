"""`replay --url` by an address that the certificate does not name, with the CA of a file or of the cluster."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from certs.files import write_pair
from certs.issue import Names, issue_ca, issue_leaf, service_names
from tests.commands.manifests import pod, stream
from tests.commands.outcome import Outcome, run
from tests.commands.replay.installed import CONFIGURATION, entry
from tests.commands.replay.live import api_server, kubeconfig
from tests.commands.servers import Fake, fake_webhook

Object = dict[str, Any]
ANSWER = b'{"kind":"AdmissionReview","response":{"uid":"u","allowed":true}}'
NAME = "pod-identity-webhook.eks.svc"
START = "pod-identity-webhook replay:"


@dataclass(frozen=True)
class Forwarded:
    """A webhook behind an address of this machine; its certificate has only the names of its Service."""

    fake: Fake
    ca: bytes
    folder: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.fake.port}/mutate"

    def ask(self, *flags: str) -> Outcome:
        return run("replay", "-", f"--url={self.url}", *flags, stdin=stream(pod()))

    def ask_with_cluster(self, objects: Object, *flags: str) -> Outcome:
        with api_server(objects) as server:
            config = kubeconfig(self.folder / "config", here=server.url)
            return self.ask("--ca-from-cluster", f"--kubeconfig={config}", *flags)


@pytest.fixture
def forwarded(tmp_path: Path) -> Iterator[Forwarded]:
    now = datetime.now(UTC)
    ca = issue_ca(now, common_name="CA of the webhook")
    leaf = issue_leaf(ca, Names.parse(service_names("pod-identity-webhook", "eks")), now)
    files = write_pair(tmp_path, ca.certificate, leaf)
    with fake_webhook(files.certificate, files.private_key) as fake:
        fake.answer = ANSWER
        yield Forwarded(fake, ca.certificate, tmp_path)


def bundle(ca: bytes, **members: Any) -> Object:
    return {CONFIGURATION: {"webhooks": [entry(ca=ca, **members)]}}


def test_the_server_name_is_asked_for_and_verified_instead_of_the_urls_host(forwarded: Forwarded) -> None:
    ca = f"--ca={forwarded.folder / 'ca.crt'}"
    by_name = forwarded.ask(ca, f"--server-name={NAME}")
    asked_for = forwarded.fake.server_name
    by_host = forwarded.ask(ca)
    by_another = forwarded.ask(ca, "--server-name=pod-identity-webhook.other.svc")

    assert (by_name.code, by_name.err, asked_for) == (0, "", NAME)
    assert by_name.out.splitlines()[1] == "# unchanged"
    assert (by_host.code, by_another.code) == (1, 1)
    assert by_host.err.endswith(" (is the host of --url one of the names in its certificate?)\n")
    assert by_another.err.endswith(" (is --server-name one of the names in its certificate?)\n")


def test_the_clusters_bundle_and_the_services_name_verify_it(forwarded: Forwarded) -> None:
    done = forwarded.ask_with_cluster(bundle(forwarded.ca))

    assert (done.code, done.err, forwarded.fake.server_name) == (0, "", NAME)
    assert done.out.splitlines()[1] == "# unchanged"


def test_a_server_name_of_ones_own_wins_over_the_services(forwarded: Forwarded) -> None:
    done = forwarded.ask_with_cluster(bundle(forwarded.ca), f"--server-name={NAME}.cluster.local")

    assert forwarded.fake.server_name == f"{NAME}.cluster.local"
    assert done.code == 0


def test_another_configuration_can_be_named(forwarded: Forwarded) -> None:
    objects = {CONFIGURATION.replace("pod-identity-webhook", "mine"): bundle(forwarded.ca)[CONFIGURATION]}

    assert forwarded.ask_with_cluster(objects, "--webhook-configuration=mine").code == 0


def test_a_bundle_of_another_ca_is_named(forwarded: Forwarded) -> None:
    done = forwarded.ask_with_cluster(bundle(issue_ca(datetime.now(UTC), common_name="another").certificate))

    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    source = "the caBundle of MutatingWebhookConfiguration pod-identity-webhook"
    assert done.err.endswith(f" (is {source} the CA of that webhook?)\n")


WHAT = "MutatingWebhookConfiguration pod-identity-webhook"
UNUSABLE: dict[str, tuple[Object, str]] = {
    "no configuration": ({}, f"{WHAT} does not exist; if yours has another name, set --webhook-configuration\n"),
    "no right to read it": ({CONFIGURATION: 403}, "get mutatingwebhookconfigurations pod-identity-webhook: 403: "),
    "no bundle yet": (
        bundle(b""),
        f"{WHAT} has no caBundle that all entries trust: see 'pod-identity-webhook certs show'\n",
    ),
    "no entry": ({CONFIGURATION: {}}, f"{WHAT} names no Service, so its caBundle is of no use for --url: set --ca\n"),
    "an answer that is no object": (
        {CONFIGURATION: ["x"]},
        "get mutatingwebhookconfigurations pod-identity-webhook: Expected `object`, got `array`\n",
    ),
    "a webhook outside the cluster": (
        {CONFIGURATION: {"webhooks": [{"name": "x", "clientConfig": {"url": "https://127.0.0.1:23443/mutate"}}]}},
        f"{WHAT} names no Service, so its caBundle is of no use for --url: set --ca\n",
    ),
}


@pytest.mark.parametrize(("objects", "why"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_bundle_that_cannot_be_used_ends_with_1(objects: Object, why: str, forwarded: Forwarded) -> None:
    done = forwarded.ask_with_cluster(objects)

    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith(f"{START} {why}")


USAGE: dict[str, tuple[list[str], str]] = {
    "--ca-from-cluster without --url": (["--ca-from-cluster"], "--ca-from-cluster: can be used only with --url"),
    "--ca-from-cluster beside --ca": (
        ["--url=https://x/mutate", "--ca=x", "--ca-from-cluster"],
        "--ca-from-cluster: cannot be used with --ca",
    ),
    "--server-name without --url": (["--server-name=x"], "--server-name: can be used only with --url"),
    "--server-name that is an address": (
        ["--url=https://x/mutate", "--server-name=x:443"],
        "--server-name: 'x:443' is not a DNS name",
    ),
    "--webhook-configuration that is no name": (
        ["--webhook-configuration=a/b"],
        "--webhook-configuration: 'a/b' is not an object's name (DNS subdomain)",
    ),
}


@pytest.mark.parametrize(("flags", "problem"), USAGE.values(), ids=USAGE)
def test_usage_is_checked_at_once(flags: list[str], problem: str) -> None:
    done = run("replay", "-", *flags, stdin=stream(pod()))

    assert (done.code, done.out) == (2, "")
    assert done.err == f"{START} {problem}\nSee 'pod-identity-webhook replay --help'.\n"
