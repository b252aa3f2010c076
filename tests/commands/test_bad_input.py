import json
import os
import random
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.commands.manifests import Object, config_map, pod, review, service_account, stream, template, workload
from tests.commands.outcome import COMMAND, ROOT, run, run_process, without_settings

START = "pod-identity-webhook replay: "

BAD_TEXTS = {
    "malformed JSON": ('{"kind": "Pod",', "line 2: not YAML: "),
    "malformed YAML": ("kind: Pod\nmetadata: {name: [}\n", "line 2: not YAML: "),
    "a tab that indents": ("kind: Pod\n\tmetadata: {}\n", "line 1: not YAML: found a tab"),
    "a text": ("just words", "line 1: expected an object, got a string"),
    "a list": ("- 1\n- 2\n", "line 1: expected an object, got a list"),
    "an alias within itself": ("a: &a [*a]\n", "line 1: "),
    "a tag that makes an object": ("!!python/object:os.system {}\n", "line 1: "),
    "a control character": ("a: \x00\n", "line 1: not YAML: "),
    "deep nesting": ("[" * 100_000, "line 1: "),
    "no kind": ('{"apiVersion": "v1"}', "line 1: kind: missing"),
    "no API version": ('{"kind": "Pod"}', "line 1: apiVersion: missing"),
    "a name that is a number": ("kind: Pod\napiVersion: v1\nmetadata: {name: 1}\n", "metadata.name: expected a string"),
    "a workload without template": (
        stream(workload("Deployment", "apps/v1", {})),
        "spec.template.spec: missing",
    ),
    "a bad List": ('{"apiVersion":"v1","kind":"List","items":[1]}', "items[0]: expected an object, got a number"),
}


@pytest.mark.parametrize(("text", "problem"), BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_bad_input_is_an_error_of_one_line_with_its_place(text: str, problem: str) -> None:
    outcome = run("replay", "-", stdin=text)

    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert outcome.err.startswith(f"{START}standard input, line ")
    assert problem in outcome.err


def test_an_unreadable_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    assert run("replay", str(tmp_path / "x.yaml")).err == f"{START}{tmp_path}/x.yaml: No such file or directory\n"
    (tmp_path / "bad.json").write_bytes(b'{"kind":\n "\xff"}')
    outcome = run("replay", str(tmp_path / "bad.json"))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"{START}{tmp_path}/bad.json, line 2: not UTF-8: the byte 0xff, invalid start byte\n"


@pytest.mark.parametrize("text", ["", "---\n---\n", stream(service_account()), stream(config_map("{}"))])
def test_input_without_anything_to_replay_is_a_usage_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text(text)

    for name, shown in (("-", "-"), (str(tmp_path), str(tmp_path))):
        outcome = run("replay", name, stdin=text)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.splitlines()[0] == f"{START}no AdmissionReview, Pod or workload in {shown}"


def test_the_error_says_that_subfolders_are_not_searched(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/pod.yaml").write_text(stream(pod()))
    outcome = run("replay", str(tmp_path))
    assert outcome.code == 2
    problem = f"no AdmissionReview, Pod or workload in {tmp_path} (subfolders are searched only with -R)"
    assert outcome.err.splitlines()[0] == START + problem


def test_a_service_accounts_file_without_service_accounts_causes_a_notice(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text(stream(config_map("{}")))
    empty = run("replay", "-", f"--service-accounts={tmp_path}/none.yaml", stdin=stream(pod()))
    assert (empty.code, empty.err) == (0, f"{START}--service-accounts: no ServiceAccount in {tmp_path}/none.yaml\n")
    missing = run("replay", "-", f"--service-accounts={tmp_path}/x", stdin=stream(pod()))
    assert (missing.code, missing.err) == (2, f"{START}--service-accounts: {tmp_path}/x: No such file or directory\n")


def test_all_usage_errors_are_reported_together() -> None:
    outcome = run("replay", "--output=yaml", "--update", "--namespace=A_B", "--bogus", environ={"PIW_PROT": "1"})

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines() == [
        f"{START}--bogus: no such flag",
        f"{START}--output: 'yaml' is not one of diff, patch, pod, review, json, github",
        f"{START}name at least one FILE, or '-' for standard input",
        f"{START}--namespace: 'A_B' is not a namespace's name (DNS label)",
        f"{START}--update: needs --expect, the folder with the golden files",
        "See 'pod-identity-webhook replay --help'.",
    ]
    twice = run("replay", "-", "-")
    assert (twice.code, twice.err.splitlines()[0]) == (2, f"{START}'-': standard input can be read only once")


def test_unknown_variables_cause_a_notice_but_those_of_serve_do_not() -> None:
    outcome = run("replay", "-", stdin=stream(pod()), environ={"PIW_REPLAY_OUTPOT": "pod", "PIW_METRICS_PORT": "1"})

    assert outcome.code == 0
    assert outcome.err == f"{START}environment variables that are not flags are ignored: PIW_REPLAY_OUTPOT\n"


def test_an_invalid_role_mapping_is_an_error() -> None:
    outcome = run("replay", "-", "--watch-config-map", stdin=stream(pod(), config_map("[]")))

    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert outcome.err.startswith(f"{START}standard input, line 2: data.config: ")


def test_a_name_cannot_forge_a_line_or_control_the_terminal() -> None:
    forged = pod(name="app\n# patched: injected\x1b[2J\u2028")

    lines = run("replay", "-", stdin=stream(forged)).out.split("\n")

    assert lines[0] == "# Pod shop/app\\n# patched: injected\\x1b[2J\\u2028 (standard input, line 1)"
    assert lines[1].startswith("# unchanged: ")
    assert lines[2:] == ["", ""]


# Unexpected values, to put in any place of a manifest.
ODD: tuple[Any, ...] = (
    None, 1, -1.5, True, "", "x\ny\x1b[31m", [], {}, [1], {"a": 1}, ["a", None], [[]], 10**30, float("nan"), "\ud800",
    {"": None},
)  # fmt: skip


def whole() -> dict[str, Object]:
    """Returns objects with all members that we read."""
    made = template(labels={"a": "b"}, annotations={"eks.amazonaws.com/skip-containers": "x"})
    token = {"serviceAccountToken": {"audience": "x", "path": "token"}}
    made["spec"] |= {
        "os": {"name": "linux"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "initContainers": [{"name": "i", "env": [{"name": "A", "value": "b"}]}],
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "aws-iam-token", "projected": {"sources": [token]}}],
    }
    made["spec"]["containers"][0] |= {
        "env": [{"name": "AWS_ROLE_ARN", "value": "x"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}],
        "volumeMounts": [{"name": "v", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount"}],
    }
    of_pod = pod() | {"spec": made["spec"]}
    return {
        "pod": of_pod,
        "review": review(of_pod),
        "deployment": workload("Deployment", "apps/v1", {"template": made}),
        "statefulset": workload("StatefulSet", "apps/v1", {"template": template(), "ordinals": {"start": 1}}),
        "cronjob": workload("CronJob", "batch/v1", {"jobTemplate": {"spec": {"template": template()}}}),
        "foreign": workload("Rollout", "argoproj.io/v1alpha1", {"template": template()}),
        "list": {"apiVersion": "v1", "kind": "List", "items": [pod()]},
        "podlist": {"apiVersion": "v1", "kind": "PodList", "items": [pod()]},
        "serviceaccount": service_account(),
        "configmap": config_map('{"shop/web": {"RoleARN": "x"}}'),
    }


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from paths(member, (*path, key))


def put(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """Returns `value` with `odd` at `path`."""
    if not path:
        return odd
    changed = deepcopy(value)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = odd
    return changed


@pytest.mark.parametrize("name", whole())
def test_no_value_in_any_place_causes_a_traceback(name: str) -> None:
    manifest = whole()[name]
    choice = random.Random(name)
    for path in paths(manifest):
        # One random value per place is enough: all places together use each of them.
        odd = choice.choice(ODD)
        text = stream(service_account(), put(manifest, path, odd), pod(name="good"))
        outcome = run("replay", "-", "--watch-config-map", "-o", choice.choice(["diff", "pod"]), stdin=text)
        where = f"{path}: {odd!r}"
        assert outcome.code in {0, 1, 2}, where
        # The command shows everything, or one line with the problem and its place.
        if not outcome.out:
            assert outcome.err.startswith(f"{START}standard input, line "), where
            assert outcome.err.count("\n") == 1, where
        else:
            assert "good" in outcome.out, where


# Its output is so short that it stays in the buffer until the end.
SHORT = "examples/reviews/3-nothing-to-do.json"


def test_a_closed_pipe_ends_the_command_quietly() -> None:
    argv = [*COMMAND, "replay", SHORT]
    read, written = os.pipe()
    os.close(read)
    environ = without_settings() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, stdout=written, stderr=subprocess.PIPE, cwd=ROOT, env=environ, check=False, timeout=60)
    os.close(written)

    assert (done.returncode, done.stderr) == (1, b"")


def test_a_full_disk_is_an_error_of_one_line() -> None:
    argv = [*COMMAND, "replay", SHORT]
    environ = without_settings() | {"PYTHONPATH": str(ROOT)}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, env=environ, check=False, timeout=60)

    assert (done.returncode, done.stderr.decode()) == (1, f"{START}No space left on device\n")


@pytest.mark.parametrize("words", [["replay", SHORT], ["version"], ["completion", "bash"]])
def test_a_closed_standard_output_is_an_error_of_one_line(words: list[str]) -> None:
    argv = ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, *words]
    environ = without_settings() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, stderr=subprocess.PIPE, cwd=ROOT, env=environ, check=False, timeout=60)

    assert done.returncode == 1
    assert done.stderr.decode().endswith(": Bad file descriptor\n")
    assert done.stderr.count(b"\n") == 1


def test_a_closed_standard_error_loses_only_messages() -> None:
    argv = ["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, "replay", "/nowhere"]
    environ = without_settings() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, stdout=subprocess.PIPE, cwd=ROOT, env=environ, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (2, b"")


def test_a_character_that_the_encoding_lacks_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "pod.json").write_text(json.dumps(pod(name="café→")))

    outcome = run_process("replay", str(tmp_path / "pod.json"), environ={"PYTHONIOENCODING": "ascii"})

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(f"# Pod shop/caf\\xe9\\u2192 ({tmp_path}/pod.json, line 1)\n")
