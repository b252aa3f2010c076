"""docs/troubleshooting.md: the API server says what each entry quotes, and the proof there shows the cause."""

from collections.abc import Iterator

import pytest

from tests.docs.messages import PAGE, entries, missing_line
from tests.e2e.cluster import Cluster
from tests.e2e.objects import role_of
from tests.e2e.refused_pods import FAULTS, Site
from tests.e2e.waiting import wait_until


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    cluster = Cluster(directory, controller_manager=True)
    made: Site | None = None
    try:
        cluster.start()
        made = Site(cluster, directory)
        made.start()
        yield made
    finally:
        if made is not None:
            made.close()
        cluster.remove()


@pytest.mark.parametrize("title", FAULTS)
def test_a_refused_pod_has_the_quoted_message_and_the_proof_shows_the_cause(
    site: Site, title: str, kubernetes_version: tuple[int, int]
) -> None:
    entry = entries()[title]
    # Between the two versions that we test, the API server's words changed.
    quote = entry.messages[0 if kubernetes_version < (1, 30) else -1]

    with FAULTS[title](site):
        site.wait_until_refused(quote)
        printed = [site.run(shown.command) for shown in entry.proofs]

    assert printed
    for shown, output in zip(entry.proofs, printed, strict=True):
        assert missing_line(shown, output) == "", output
    site.wait_until_injected()


def test_a_pod_that_need_not_have_a_role_starts_and_the_api_server_logs_the_failure(site: Site) -> None:
    words = "Failed calling webhook, failing open"
    assert f"`{words}`" in PAGE.read_text(encoding="utf-8")

    with FAULTS["connection refused"](site):
        created = site.create(labels={})

        log = site.cluster.api_server.log
        wait_until(
            lambda: f"{words} pod-identity-webhook.amazonaws.com: " in log.read_text(),
            "the API server's log",
            within=10,
        )
    assert role_of(created) is None
    site.wait_until_injected()
