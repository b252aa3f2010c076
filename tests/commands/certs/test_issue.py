import base64
import json
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.files import ephemeral
from certs.issue import Names, issue_ca, issue_leaf
from certs.pem import is_issued_by
from certs.renewal import ends_at
from tests.commands.outcome import assert_golden, run
from tests.commands.servers import fake_webhook
from webhook.commands.certs.facts import names_of
from webhook.commands.certs.handshake import ask

FILES = ["ca.crt", "ca.key", "tls.crt", "tls.key"]


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def test_the_first_run_writes_a_ca_and_a_leaf_and_says_what_to_do_with_them(tmp_path: Path) -> None:
    directory = tmp_path / "certificate"
    done = run("certs", "issue", str(directory))

    assert (done.code, done.err) == (0, "")
    assert sorted(contents(directory)) == FILES
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "tls.crt": 0o644, "tls.key": 0o600}
    (bundle,) = re.findall(r"^caBundle: (\S+)$", done.out, re.MULTILINE)
    assert base64.b64decode(bundle) == (directory / "ca.crt").read_bytes()
    shown = done.out.replace(str(tmp_path), "").replace(bundle, "BASE64")
    assert_golden("certs-issue.txt", re.sub(r"\d{4}-\d\d-\d\dT[0-9:]+Z", "TIME", shown))


def test_a_server_with_these_files_is_trusted_by_the_bundle(tmp_path: Path) -> None:
    run("certs", "issue", str(tmp_path))
    bundle = ((tmp_path / "ca.crt").read_bytes(),)
    with fake_webhook(tmp_path / "tls.crt", tmp_path / "tls.key") as webhook:
        served = ask("127.0.0.1", webhook.port, "pod-identity-webhook.eks.svc", [bundle])

    assert served.leaf == (tmp_path / "tls.crt").read_bytes()
    assert served.refusals == {bundle: ""}


def test_a_second_run_renews_the_leaf_with_the_same_ca_and_names(tmp_path: Path) -> None:
    run("certs", "issue", str(tmp_path), "--names=webhook.example, 10.0.0.1,::1", "--lifetime=1h")
    before = contents(tmp_path)
    done = run("certs", "issue", str(tmp_path))
    after = contents(tmp_path)

    assert (done.code, done.err) == (0, "")
    assert (after["ca.crt"], after["ca.key"]) == (before["ca.crt"], before["ca.key"])
    assert after["tls.crt"] != before["tls.crt"]
    assert after["tls.key"] != before["tls.key"]
    assert names_of(after["tls.crt"]) == ("webhook.example", "10.0.0.1", "::1")
    assert is_issued_by(after["tls.crt"], before["ca.crt"])
    assert ends_at(after["tls.crt"]) - datetime.now(UTC) > timedelta(days=89)
    assert "The caBundle is unchanged: give only tls.crt and tls.key to the webhook.\n" in done.out


def test_names_from_flags_replace_those_of_the_existing_leaf(tmp_path: Path) -> None:
    run("certs", "issue", str(tmp_path), "--names=old.example")
    run("certs", "issue", str(tmp_path), "--service-name=webhook", "--namespace=kube-system")

    assert names_of((tmp_path / "tls.crt").read_bytes()) == (
        "webhook",
        "webhook.kube-system",
        "webhook.kube-system.svc",
        "webhook.kube-system.svc.cluster.local",
    )


def test_json_output_has_the_files_and_the_bundle(tmp_path: Path) -> None:
    done = run("certs", "issue", str(tmp_path), "--names=a.example", "--output=json")
    document = json.loads(done.out)

    assert document["names"] == ["a.example"]
    assert document["caIsNew"] is True
    assert document["files"] == {name: str(tmp_path / name) for name in FILES}
    assert base64.b64decode(document["caBundle"]) == (tmp_path / "ca.crt").read_bytes()
    assert "PRIVATE" not in done.out


def write(directory: Path, **files: bytes) -> None:
    for name, content in files.items():
        (directory / name.replace("_", ".")).write_bytes(content)


def somebody_elses(directory: Path) -> str:
    ephemeral(directory, [], datetime.now(UTC))
    (directory / "ca.crt").unlink()
    return "has a tls.crt or tls.key that this command did not write: there is no CA"


def no_key(directory: Path) -> str:
    ephemeral(directory, [], datetime.now(UTC))
    return "has ca.crt but no ca.key, so its CA cannot sign"


def no_certificate(directory: Path) -> str:
    write(directory, ca_key=b"x")
    return "has ca.key but no ca.crt, so its CA cannot sign"


def an_ended_ca(directory: Path) -> str:
    ca = issue_ca(datetime.now(UTC) - timedelta(days=2), common_name="CA", lifetime=timedelta(days=1))
    write(directory, ca_crt=ca.certificate, ca_key=ca.private_key)
    return "has a CA that cannot sign: ca.crt has expired, or ca.key does not belong to it"


def a_leaf_of_another_ca(directory: Path) -> str:
    now = datetime.now(UTC)
    ca, other = (issue_ca(now, common_name=name) for name in ("CA", "other"))
    leaf = issue_leaf(other, Names(("a.example",)), now)
    write(directory, ca_crt=ca.certificate, ca_key=ca.private_key, tls_crt=leaf.certificate, tls_key=leaf.private_key)
    return "has a tls.crt that its CA did not sign"


@pytest.mark.parametrize("present", [somebody_elses, no_key, no_certificate, an_ended_ca, a_leaf_of_another_ca])
def test_foreign_files_are_overwritten_only_with_force(present: Callable[[Path], str], tmp_path: Path) -> None:
    why = present(tmp_path)
    before = contents(tmp_path)

    refused = run("certs", "issue", str(tmp_path))
    untouched = contents(tmp_path)
    forced = run("certs", "issue", str(tmp_path), "--force")
    after = contents(tmp_path)

    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        f"pod-identity-webhook certs issue: {tmp_path} {why}; choose another folder, or overwrite the files with "
        "--force\n"
    )
    assert untouched == before
    assert (forced.code, sorted(after)) == (0, FILES)
    assert not any(after[name] == content for name, content in before.items())
    assert is_issued_by(after["tls.crt"], after["ca.crt"])


def test_a_leaf_that_expires_with_its_ca_is_reported(tmp_path: Path) -> None:
    done = run("certs", "issue", str(tmp_path), "--ca-lifetime=24h")

    assert "\nThe leaf expires together with its CA: --force makes a new CA.\n" in done.out
    assert ends_at((tmp_path / "tls.crt").read_bytes()) == ends_at((tmp_path / "ca.crt").read_bytes())


def test_an_unwritable_folder_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = run("certs", "issue", str(tmp_path / "file"))

    assert (done.code, done.out) == (1, "")
    assert done.err == f"pod-identity-webhook certs issue: cannot write {tmp_path / 'file'}: it is not a directory\n"


def test_all_that_is_wrong_with_the_flags_is_said_at_once() -> None:
    done = run("certs", "issue", "--names=*.example", "--namespace=A.b", "--lifetime=0s", "--ca-lifetime=soon")

    assert (done.code, done.out) == (2, "")
    lines = done.err.splitlines()
    assert [line.split(": ")[1] for line in lines[:-1]] == [
        "--ca-lifetime",
        "--namespace",
        "set exactly one DIR",
        "--lifetime",
        "--names",
    ]
