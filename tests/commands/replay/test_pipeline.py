"""What a pipeline needs of `replay`: exit codes, counts, JSON, annotations, folders with other files in them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands.manifests import Object, pod, service_account, stream, template, workload
from tests.commands.outcome import Outcome, assert_golden, run, run_process

ROLELESS = service_account("shop", "none", role="")
SKIP_LABEL = {"eks.amazonaws.com/skip-pod-identity-webhook": "true"}
REQUIRED = {"eks.amazonaws.com/require-pod-identity": "true"}
WORKFLOW = workload("Workflow", "argoproj.io/v1alpha1", {"serviceAccountName": "web", "templates": [{"name": "main"}]})


def of_account(name: str, **metadata: Any) -> Object:
    made = pod(**metadata)
    made["spec"]["serviceAccountName"] = name
    return made


def warned() -> Object:
    made = pod(name="warned")
    made["spec"]["containers"][0]["env"] = [{"name": "AWS_ROLE_ARN", "value": "mine"}]
    return made


EACH = {
    "unchanged": of_account("none"),
    "not-found": of_account("missing"),
    "not-called": pod(labels=SKIP_LABEL),
    "warning": warned(),
    "skipped": WORKFLOW,
}
GIVEN = (service_account(), ROLELESS, pod(name="fine"))


@pytest.mark.parametrize("word", EACH)
def test_fail_on_makes_an_outcome_end_with_1_and_no_other(word: str) -> None:
    text = stream(*GIVEN, EACH[word])
    others = ",".join(each for each in EACH if each != word)

    without = run("replay", "-", stdin=text)
    failed = run("replay", "-", "--fail-on", word, stdin=text)

    assert (without.code, run("replay", "-", "--fail-on", others, stdin=text).code, failed.code) == (0, 0, 1)
    assert failed.out == without.out
    assert failed.err == without.err + f"pod-identity-webhook replay: failed because of --fail-on: {word}\n"


def test_fail_on_names_all_that_occurs_and_its_variable_works_too() -> None:
    text = stream(*GIVEN, *EACH.values())

    outcome = run("replay", "-", stdin=text, environ={"PIW_REPLAY_FAIL_ON": "skipped, unchanged"})

    assert outcome.code == 1
    assert outcome.err.endswith("failed because of --fail-on: skipped, unchanged\n")


def test_fail_on_applies_to_golden_files_too(tmp_path: Path) -> None:
    argv = ("replay", "-", "--expect", str(tmp_path / "golden"), "--fail-on=not-found")
    text = stream(EACH["not-found"])

    assert run(*argv, "--update", stdin=text).code == 1
    assert run(*argv, stdin=text) == Outcome(
        1, "", "pod-identity-webhook replay: failed because of --fail-on: not-found\n"
    )


def test_an_unknown_word_is_a_usage_error_that_names_the_words() -> None:
    outcome = run("replay", "-", "--fail-on=unchanged,denide", stdin=stream(pod()))

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[0] == (
        "pod-identity-webhook replay: --fail-on: 'unchanged,denide' is not a list, separated by commas, of unchanged, "
        "not-found, not-called, uncertain, warning, skipped"
    )


REFUSED = pod("other", name="refused", labels=REQUIRED)
COUNTS = {
    "one pod": ([service_account(), pod()], "1 replayed: 1 injected"),
    "each outcome once": (
        [*GIVEN, *EACH.values(), REFUSED],
        (
            "6 replayed: 2 injected, 1 unchanged, 1 not found, 1 not called, 1 denied; 1 with warnings; "
            "skipped: 1 workload"
        ),
    ),
    "two workloads skipped": ([pod(), WORKFLOW, WORKFLOW], "1 replayed: 1 not found; skipped: 2 workloads"),
}


@pytest.mark.parametrize(("objects", "count"), COUNTS.values(), ids=COUNTS)
@pytest.mark.parametrize("output", ["diff", "patch", "pod", "review", "json", "github"])
def test_the_last_line_counts_on_standard_error(objects: list[Object], count: str, output: str) -> None:
    outcome = run("replay", "-", "-o", output, stdin=stream(*objects))

    assert outcome.count == count
    assert "replayed" not in outcome.out


def test_json_is_one_array_with_all_that_is_known_of_each_object() -> None:
    text = stream(*GIVEN, *EACH.values(), pod("other", name="refused", labels=REQUIRED))

    outcome = run("replay", "-", "--output=json", stdin=text)

    members = json.loads(outcome.out)
    assert [(each["line"], each["name"], each["outcome"]) for each in members] == [
        (3, "fine", "injected"),
        (4, "app", "unchanged"),
        (5, "app", "not-found"),
        (6, "app", "not-called"),
        (7, "warned", "injected"),
        (9, "refused", "denied"),
        (8, "app", "skipped"),
    ]
    fields = {"source", "line", "kind", "namespace", "name", "outcome", "reason", "message", "warnings", "denied"}
    assert all(each.keys() == fields | {"patch"} for each in members)
    assert [each["denied"] for each in members] == [False] * 5 + [True, False]
    assert_golden("pipeline-json.txt", outcome.out)


def test_json_names_the_template_where_an_object_has_several() -> None:
    jobs = workload("JobSet", "jobset.x-k8s.io/v1alpha2", {"a": template(), "b": template()})

    members = json.loads(run("replay", "-", "-o", "json", stdin=stream(jobs)).out)

    assert [each["template"] for each in members] == ["spec.a", "spec.b"]


def test_github_gets_an_error_for_what_fails_and_a_warning_for_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "all, of: it.yaml"
    file.write_text(stream(*GIVEN, *EACH.values(), pod("other", name="100%", labels=REQUIRED)))

    def levels(*argv: str) -> list[tuple[str, str]]:
        lines = run("replay", str(file), "-o", "github", *argv).out.splitlines()
        place = f"file={tmp_path}/all%2C of%3A it.yaml,line="
        assert all(place in line for line in lines)
        parts = [line.split("::", 2) for line in lines]
        return [(part[1].partition(" ")[0], part[1].rpartition("=")[2]) for part in parts]

    assert levels() == [("warning", "5"), ("warning", "7"), ("error", "9"), ("warning", "8")]
    assert levels("--fail-on=unchanged,warning,skipped") == [
        ("error", "4"),
        ("warning", "5"),
        ("error", "7"),
        ("error", "9"),
        ("error", "8"),
    ]
    assert "::Pod other/100%25: denied: " in run("replay", str(file), "-o", "github").out


def test_github_has_no_golden_files(tmp_path: Path) -> None:
    outcome = run("replay", "-", "-o", "github", "--expect", str(tmp_path), stdin=stream(pod()))

    assert outcome.code == 2
    assert "--output: github has no golden files, so it cannot be used with --expect\n" in outcome.err


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder as repositories have them: manifests among other files, and folders in it."""
    files = {
        "values.yaml": "replicas: 2\n",
        "list.yaml": "- 1\n",
        "package.json": "[]",
        "template.yaml": "kind: Pod\nmetadata: {{ .Values.metadata }}\n",
        "pod.yaml": stream(service_account(), pod()),
        "deep/er/pod.yaml": stream(pod(name="deep")),
        ".git/pod.yaml": stream(pod(name="hidden")),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "link").symlink_to(tmp_path)
    return tmp_path


def test_files_of_a_folder_that_are_no_manifests_are_skipped_with_a_line(repository: Path) -> None:
    outcome = run("replay", str(repository))

    assert outcome.code == 0
    assert outcome.out.startswith(f"# Pod shop/app ({repository}/pod.yaml, line 2)\n# patched: injected\n")
    start = f"pod-identity-webhook replay: {repository}"
    lines = outcome.err.splitlines()
    assert lines[:2] == [
        f"{start}/list.yaml: skipped: no manifest: line 1: expected an object, got a list",
        f"{start}/package.json: skipped: no manifest: line 1: expected an object, got a list",
    ]
    assert lines[2].startswith(f"{start}/template.yaml: skipped: no manifest: line 2: ")
    assert lines[2].endswith(" (a Helm template? 'helm template' renders it)")
    assert lines[3:] == [f"{start}/values.yaml: skipped: no manifest: no object in it has a kind"]
    assert outcome.count == "1 replayed: 1 injected; skipped: 4 files"
    assert run("replay", str(repository), "--fail-on=skipped").code == 1


def test_a_file_that_is_named_must_be_a_manifest(repository: Path) -> None:
    outcome = run("replay", str(repository / "values.yaml"), str(repository / "pod.yaml"))

    assert outcome == Outcome(2, "", f"pod-identity-webhook replay: {repository}/values.yaml, line 1: kind: missing\n")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: Pod\nmetadata: {name: [}\n", "line 2: not YAML: "),
        ("kind: Pod\n", "line 1: apiVersion: missing"),
        (stream(pod()) + "\n--- 5\n", "line 2: expected an object, got a number"),
    ],
)
def test_a_broken_manifest_in_a_folder_is_an_error_and_not_skipped(repository: Path, text: str, problem: str) -> None:
    (repository / "broken.yaml").write_text(text)

    outcome = run("replay", str(repository))

    assert (outcome.code, outcome.out) == (2, "")
    assert f"{repository}/broken.yaml, {problem}" in outcome.err


@pytest.mark.parametrize("flag", ["-R", "--recursive"])
def test_recursive_reads_folders_in_folders_but_no_hidden_ones_and_no_links(repository: Path, flag: str) -> None:
    outcome = run("replay", flag, str(repository), "-o", "json")

    replayed = [each["source"] for each in json.loads(outcome.out) if each["outcome"] != "skipped"]
    assert replayed == [f"{repository}/pod.yaml", f"{repository}/deep/er/pod.yaml"]


def test_recursive_finds_service_accounts_too_and_names_what_it_skips(repository: Path) -> None:
    outcome = run("replay", "-R", "-", "--service-accounts", str(repository), stdin=stream(pod()))

    assert "# patched: injected" in outcome.out
    assert f"--service-accounts: {repository}/values.yaml: skipped: no manifest: " in outcome.err


def knative(**container: Any) -> Object:
    made = template()
    del made["spec"]["containers"][0]["name"]
    made["spec"]["containers"][0] |= container
    return workload("Service", "serving.knative.dev/v1", {"template": made})


@pytest.mark.parametrize("output", ["diff", "patch", "pod", "review", "json"])
def test_a_container_that_its_controller_names_is_injected_and_gets_no_name_from_us(output: str) -> None:
    env = [{"name": "AWS_ROLE_ARN", "value": "mine"}]
    text = stream(service_account(), knative(), knative(env=env))

    outcome = run("replay", "-", "-o", output, stdin=text)

    assert (outcome.code, outcome.count) == (0, "2 replayed: 2 injected; 1 with warnings")
    assert "unnamed" not in outcome.out + outcome.err
    if output not in {"patch", "pod"}:
        assert "so the webhook added neither: container without a name (spec.containers[0])" in outcome.out


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_a_container_that_nobody_names_is_denied(kind: str) -> None:
    made = template()
    del made["spec"]["containers"][0]["name"]
    deployment = workload("Deployment", "apps/v1", {"template": made})
    given = pod() | {"spec": made["spec"]} if kind == "Pod" else deployment

    outcome = run("replay", "-", stdin=stream(service_account(), given))

    assert outcome.code == 1
    assert "spec.containers[0].name: missing" in outcome.out


@pytest.mark.parametrize(
    ("argv", "environ", "has_colour"),
    [
        (["--color=always"], {}, True),
        (["--color=always"], {"NO_COLOR": "1", "TERM": "dumb"}, True),
        (["--color=always", "-o=patch"], {}, False),
        (["--color=auto"], {}, False),
        (["--color=never"], {}, False),
        ([], {"PIW_REPLAY_COLOR": "always"}, True),
    ],
)
def test_color_decides_whether_a_pipe_gets_colours(argv: list[str], environ: dict[str, str], has_colour: bool) -> None:
    outcome = run_process("replay", "examples/reviews", *argv, environ=environ)

    assert outcome.code == 0
    assert ("\x1b[" in outcome.out) == has_colour


def test_files_are_replayed_without_the_libraries_that_only_a_cluster_needs(tmp_path: Path) -> None:
    manifest = tmp_path / "pod.json"
    manifest.write_text(stream(*GIVEN))
    program = (
        "import sys; from webhook.cli import main; code = main(['replay', sys.argv[1]], {}); "
        "sys.exit(code or sorted({'aiohttp', 'httpx', 'kubernetes'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(manifest)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "AWS_ROLE_ARN" in done.stdout
