from pathlib import Path

import pytest

from tests.commands.manifests import pod, service_account, stream
from tests.commands.outcome import Outcome, run

TWO = stream(service_account(), pod(), pod("other", name="second"))
ONE = stream(service_account(), pod())
ENDINGS = {"diff": "diff", "patch": "json", "pod": "yaml", "review": "json", "json": "json"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "golden"


def expect(folder: Path, text: str, *argv: str) -> Outcome:
    return run("replay", "-", "--expect", str(folder), *argv, stdin=text)


@pytest.mark.parametrize(("output", "ending"), ENDINGS.items())
def test_an_update_is_followed_by_a_clean_comparison(folder: Path, output: str, ending: str) -> None:
    written = expect(folder, TWO, "--update", "-o", output)
    compared = expect(folder, TWO, "-o", output)

    assert written == Outcome(0, "", f"pod-identity-webhook replay: {folder}: 2 files written\n")
    assert compared == Outcome(0, "", "")
    names = [f"pod-other-second.{ending}", f"pod-shop-app.{ending}"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(["index.txt", *names])
    assert (folder / "index.txt").read_text().splitlines() == names
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in folder.iterdir())
    if output == "json":
        return
    # Only the place of the input differs, which must not change the output.
    first = run("replay", "-", "-o", output, stdin=ONE).out.replace(" (standard input, line 2)", "", 1)
    assert (folder / f"pod-shop-app.{ending}").read_text().rstrip() == first.rstrip()


def test_differences_are_shown_and_exit_1(folder: Path) -> None:
    expect(folder, ONE, "--update", "-o", "pod")

    outcome = expect(folder, ONE, "-o", "pod", "--token-expiration=3600")

    assert (outcome.code, outcome.err) == (1, "")
    assert outcome.out.splitlines()[:2] == [f"--- {folder}/pod-shop-app.yaml", "+++ now"]
    assert "-          expirationSeconds: 86400\n+          expirationSeconds: 3600\n" in outcome.out


def test_a_missing_and_a_superfluous_file_are_named_and_exit_1(folder: Path) -> None:
    expect(folder, TWO, "--update")
    (folder / "pod-shop-app.diff").unlink()
    (folder / "README.md").write_text("Not ours.")
    (folder / "notes.diff").write_text("Not ours.")

    outcome = expect(folder, stream(service_account(), pod(), pod("other", name="third")))

    assert outcome == Outcome(
        1,
        f"{folder}/pod-shop-app.diff: missing; --update writes it\n"
        f"{folder}/pod-other-third.diff: missing; --update writes it\n"
        f"{folder}/pod-other-second.diff: no object in the input belongs to it any more; --update removes it\n",
        "",
    )


def test_update_writes_missing_files_and_removes_its_files_of_objects_that_are_gone(folder: Path) -> None:
    expect(folder, TWO, "--update")
    kept = (folder / "pod-shop-app.diff").read_bytes()
    (folder / "pod-shop-app.diff").write_text("outdated")
    expect(folder, TWO, "--update", "-o", "pod")
    (folder / "notes.diff").write_text("Not ours.")

    outcome = expect(folder, ONE, "--update")

    assert outcome == Outcome(
        0,
        "",
        f"pod-identity-webhook replay: {folder}/pod-other-second.diff: "
        "removed: no object in the input belongs to it any more\n"
        f"pod-identity-webhook replay: {folder}: 1 file written\n",
    )
    assert (folder / "pod-shop-app.diff").read_bytes() == kept
    # The next comparison has nothing to say, and the files of another output and of others are still there.
    assert expect(folder, ONE) == Outcome(0, "", "")
    assert sorted(path.name for path in folder.iterdir()) == [
        "index.txt",
        "notes.diff",
        "pod-other-second.yaml",
        "pod-shop-app.diff",
        "pod-shop-app.yaml",
    ]


@pytest.mark.parametrize("line", ["../kept.diff", "/kept.diff", "..", ""])
def test_an_index_cannot_name_files_elsewhere(folder: Path, line: str) -> None:
    expect(folder, ONE, "--update")
    kept = folder.parent / "kept.diff"
    kept.write_text("")
    with (folder / "index.txt").open("a") as index:
        index.write(f"{line}\n")

    assert expect(folder, ONE, "--update").code == 0
    assert kept.exists()
    assert (folder / "index.txt").read_text() == "pod-shop-app.diff\n"


def test_objects_of_one_name_have_a_file_each(folder: Path) -> None:
    expect(folder, stream(pod(), pod(), pod(name="APP")), "--update")

    assert sorted(path.name for path in folder.glob("*.diff")) == [
        "pod-shop-app-2.diff",
        "pod-shop-app-3.diff",
        "pod-shop-app.diff",
    ]


@pytest.mark.parametrize("output", ENDINGS)
def test_a_denied_pod_exits_1_even_if_expected(folder: Path, output: str) -> None:
    denied = stream(pod(labels={"eks.amazonaws.com/require-pod-identity": "true"}))

    written = expect(folder, denied, "--update", "-o", output)
    compared = expect(folder, denied, "-o", output)

    assert (written.code, compared.code, compared.out) == (1, 1, "")
    assert compared.err.startswith("pod-identity-webhook replay: Pod shop/app (standard input, line 1): denied: ")
    assert written.err.startswith(compared.err)


def test_a_missing_folder_or_a_file_in_its_place_is_an_error_of_one_line(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")

    assert expect(folder, ONE) == Outcome(
        1,
        "",
        f"pod-identity-webhook replay: --expect: {folder} is not a folder; if it does not exist, --update creates it\n",
    )
    assert expect(file, ONE, "--update") == Outcome(
        1, "", f"pod-identity-webhook replay: --expect: {file}: File exists\n"
    )


def test_a_golden_file_that_cannot_be_read_is_an_error_of_one_line(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "pod-shop-app.diff").write_bytes(b"\xff")

    outcome = expect(folder, ONE)

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"pod-identity-webhook replay: --expect: {folder}/pod-shop-app.diff: ")
    assert outcome.err.count("\n") == 1


def test_update_alone_is_a_usage_error() -> None:
    outcome = run("replay", "-", "--update", stdin=ONE)

    assert outcome.code == 2
    assert outcome.err.startswith(
        "pod-identity-webhook replay: --update: needs --expect, the folder with the golden files\n"
    )
