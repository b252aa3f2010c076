"""docs/troubleshooting.md: the AWS CLI prints what each entry quotes, and the proof there shows the cause."""

import shlex
from pathlib import Path

import pytest

from tests.docs.messages import entries, is_quoted, missing_line
from tests.e2e.aws_messages import MESSAGES, role_of_iam
from tests.e2e.broken_links import BROKEN_LINKS
from tests.e2e.identity_chain import Chain
from tests.e2e.issuing_cluster import ISSUER
from tests.e2e.refused_pods import FAULTS
from tests.e2e.terminal import Terminal


def test_every_entry_is_made_here_or_at_the_api_server() -> None:
    assert sorted(entries()) == sorted([*FAULTS, *MESSAGES])


def test_every_refusal_of_sts_in_the_table_of_broken_links_has_an_entry() -> None:
    quotes = [quote for entry in entries().values() for quote in entry.messages]

    assert [
        name for name, broken in BROKEN_LINKS.items() if not any(is_quoted(quote, broken.printed) for quote in quotes)
    ] == []


@pytest.mark.any_version
@pytest.mark.parametrize("title", MESSAGES)
def test_an_aws_program_prints_the_quoted_message_and_the_proof_shows_the_cause(
    chain: Chain, title: str, tmp_path: Path
) -> None:
    entry = entries()[title]

    broken = MESSAGES[title](chain)

    said = broken.printed
    if said:
        (quote,) = entry.messages
        assert any(is_quoted(quote, line.strip()) for line in [said, *said.splitlines()]), said
    terminal = _terminal(chain, tmp_path / "terminal", broken.namespace, broken.pod)
    assert entry.proofs
    for shown in entry.proofs:
        printed = terminal.run(shown.command)
        lines = tuple(terminal.in_test(line) for line in shown.output)
        assert missing_line(type(shown)(shown.command, lines), printed) == "", printed


def _terminal(chain: Chain, folder: Path, namespace: str, pod: str) -> Terminal:
    """A terminal for which the issuer's host is that of the chain, and in which IAM knows the chain's role."""
    ca = folder.with_suffix(".ca")
    ca.write_bytes(chain.host.ca)
    host, port = chain.host.address
    variables = {"PIW_ISSUER_CA_FILE": str(ca), "PIW_ISSUER_CONNECT_TO": f"{host}:{port}"}
    examples = {"oidc.example.com": ISSUER.removeprefix("https://"), "shop": namespace, "reports-0": pod}
    terminal = Terminal(chain.cluster.cluster, folder, variables, examples)
    (folder / "role").write_text(role_of_iam(chain))
    terminal.add_program(
        "aws", f'[ "$*" = "iam get-role --role-name s3-reader" ] && cat {shlex.quote(str(folder))}/role'
    )
    return terminal
