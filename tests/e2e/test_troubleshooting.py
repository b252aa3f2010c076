"""docs/troubleshooting.md: the API server says what each entry quotes, and the proof there shows the cause."""

from collections.abc import Iterator

import pytest

from tests.docs.messages import entries, missing_line
from tests.e2e.cluster import Cluster
from tests.e2e.refused_pods import FAULTS, Site


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
