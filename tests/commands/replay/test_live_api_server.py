"""`replay --live`: what the API server would do before it calls the webhook, and whether it would call it at all."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands.manifests import pod, review, service_account, stream
from tests.commands.outcome import Outcome, run
from tests.commands.replay.installed import CONFIGURATION, entry, installed, namespace_path
from tests.commands.replay.live import api_server, kubeconfig

Object = dict[str, Any]
SKIP = "eks.amazonaws.com/skip-pod-identity-webhook"
WEB = service_account()
START = "pod-identity-webhook replay:"
TEAM = {"matchLabels": {"team": "shop"}}


def replayed(folder: Path, objects: Object, *manifests: Object, flags: tuple[str, ...] = ()) -> Outcome:
    with api_server(objects) as server:
        config = kubeconfig(folder / "config", here=server.url)
        return run("replay", "-", "--live", f"--kubeconfig={config}", *flags, stdin=stream(*manifests))


def verdict(done: Outcome) -> str:
    """Returns the verdict on the only pod; nothing must be on standard error."""
    assert done.err == ""
    return done.out.splitlines()[1]


def with_entries(*entries: Object, **namespace: str) -> Object:
    return {**installed(WEB, namespaces={"shop": namespace}), CONFIGURATION: {"webhooks": list(entries)}}


def test_a_pod_whose_namespace_no_entry_selects_is_not_called_for(tmp_path: Path) -> None:
    objects = with_entries(entry(namespaceSelector=TEAM), team="other")
    done = replayed(tmp_path, objects, pod())

    assert (done.code, verdict(done)) == (
        0,
        (
            "# not called: the API server would not ask: namespaceSelector of namespace shop: it wants the label "
            "team=shop, but the label is 'other', in entry pods.example.com"
        ),
    )
    assert "AWS_ROLE_ARN" not in done.out


def test_only_selectors_count_and_not_the_label_that_the_chart_puts_into_them(tmp_path: Path) -> None:
    labelled = pod(labels={SKIP: "true"})
    everything = replayed(tmp_path, with_entries(entry()), labelled)
    selector = {"matchExpressions": [{"key": SKIP, "operator": "DoesNotExist"}]}
    selective = replayed(tmp_path, with_entries(entry(objectSelector=selector)), labelled)

    # The webhook itself leaves pods with the label alone.
    assert verdict(everything).startswith("# unchanged: skip_label")
    assert verdict(selective) == (
        f"# not called: the API server would not ask: objectSelector of the pod: it wants no label {SKIP}, "
        "but there is one: 'true', in entry pods.example.com"
    )


def test_an_entry_with_the_requiring_path_is_answered_as_that_path_is(tmp_path: Path) -> None:
    skipping = pod(annotations={"eks.amazonaws.com/skip-containers": "app"})
    entries = [entry("a"), entry("b", "/mutate/require")]
    plain = replayed(tmp_path, with_entries(entries[0]), skipping)
    requiring = replayed(tmp_path, with_entries(entries[1]), skipping)
    both = replayed(tmp_path, with_entries(*entries), skipping)

    assert (plain.code, requiring.code, both.code) == (0, 1, 1)
    assert verdict(plain).startswith("# unchanged: ")
    assert verdict(requiring).startswith("# denied: pod-identity-webhook: the namespace is labelled ")
    assert verdict(both) == verdict(requiring)


def test_if_several_entries_match_the_pod_is_that_after_all_of_them(tmp_path: Path) -> None:
    once, twice = (
        replayed(tmp_path, with_entries(*(entry(name) for name in names)), pod(), flags=("--output=pod",))
        for names in (("a",), ("a", "b"))
    )

    assert once == twice
    assert once.out.count("AWS_ROLE_ARN") == 1


def test_an_entry_with_a_path_that_the_webhook_does_not_serve_is_an_error(tmp_path: Path) -> None:
    done = replayed(tmp_path, with_entries(entry("a", "/inject")), pod())

    assert (done.code, verdict(done)) == (
        1,
        "# error: the entry a calls the path /inject, which the webhook does not serve",
    )


_ONLY_IF = "matchConditions not-by-nodes of entry pods.example.com"
_CONDITIONS = [{"name": "not-by-nodes", "expression": "!request.userInfo.groups.exists(g, g == 'system:nodes')"}]


def _conditional(**members: Any) -> Object:
    return with_entries(entry(matchConditions=_CONDITIONS, **members))


def test_a_pod_that_depends_on_conditions_in_cel_is_not_said_to_be_injected(tmp_path: Path) -> None:
    done = replayed(tmp_path, _conditional(), pod())

    assert done.code == 0
    assert verdict(done) == f"# uncertain, only if {_ONLY_IF} are true: patched: injected"
    assert done.out.splitlines()[2] == (
        f"# warning: the API server asks only if {_ONLY_IF} are true, which cannot be told from here: kubectl create "
        "--dry-run=server shows what the API server does"
    )
    assert "\n+    - name: AWS_ROLE_ARN\n" in done.out
    assert done.count == "1 replayed: 1 uncertain; 1 with warnings"


def test_without_the_library_for_cel_the_warning_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)

    assert replayed(tmp_path, _conditional(), pod()).out.splitlines()[2] == (
        f"# warning: the API server asks only if {_ONLY_IF} are true, which cannot be told without a library for CEL "
        "(pip install 'pod-identity-webhook[cel]'): kubectl create --dry-run=server shows what the API server does"
    )


@pytest.mark.parametrize("word", ["uncertain", "warning"])
def test_a_pipeline_can_fail_on_what_depends_on_conditions(tmp_path: Path, word: str) -> None:
    done = replayed(tmp_path, _conditional(), pod(), flags=("--output=json", f"--fail-on=unchanged,{word}"))

    (found,) = json.loads(done.out)
    assert done.code == 1
    assert done.err.endswith(f"failed because of --fail-on: {word}\n")
    assert (found["outcome"], found["denied"]) == ("uncertain", False)
    assert _ONLY_IF in found["warnings"][0]


def test_a_denial_that_depends_on_conditions_is_uncertain_and_still_ends_with_1(tmp_path: Path) -> None:
    labels = {"eks.amazonaws.com/require-pod-identity": "true"}
    unlucky = pod(labels=labels, annotations={"eks.amazonaws.com/skip-containers": "app"})
    done = replayed(tmp_path, _conditional(), unlucky)

    assert done.code == 1
    assert verdict(done).startswith(f"# uncertain, only if {_ONLY_IF} are true: denied: pod-identity-webhook: the pod ")


def test_an_entry_without_conditions_does_not_make_the_denial_of_another_entry_certain(tmp_path: Path) -> None:
    skipping = pod(annotations={"eks.amazonaws.com/skip-containers": "app"})
    entries = [entry("a"), entry("b", "/mutate/require", matchConditions=_CONDITIONS)]
    done = replayed(tmp_path, with_entries(*entries), skipping)

    assert done.code == 1
    assert verdict(done).startswith("# uncertain, only if matchConditions not-by-nodes of entry b are true: denied: ")


CERTAIN = {
    "the webhook would add nothing": (
        [entry(matchConditions=_CONDITIONS)],
        pod(annotations={"eks.amazonaws.com/skip-containers": "app"}),
        "unchanged",
    ),
    "another entry without conditions has the same answer": (
        [entry("a", matchConditions=_CONDITIONS), entry("b")],
        pod(),
        "patched",
    ),
    "the selectors leave the pod out": (
        [entry(matchConditions=_CONDITIONS, objectSelector={"matchLabels": {"not": "there"}})],
        pod(),
        "not called",
    ),
}


@pytest.mark.parametrize("name", CERTAIN)
def test_conditions_that_change_nothing_are_not_mentioned(tmp_path: Path, name: str) -> None:
    entries, made, word = CERTAIN[name]
    done = replayed(tmp_path, with_entries(*entries), made)

    assert verdict(done).startswith(f"# {word}")
    assert "matchConditions" not in done.out


OTHER_REQUESTS = {
    "UPDATE of pods": {"operation": "UPDATE"},
    "CREATE of pods/ephemeralcontainers": {"subResource": "ephemeralcontainers"},
    "CREATE of deployments": {"resource": {"group": "apps", "version": "v1", "resource": "deployments"}},
}


@pytest.mark.parametrize("what", OTHER_REQUESTS)
def test_a_review_that_no_rule_covers_is_not_called(tmp_path: Path, what: str) -> None:
    other = review(pod())
    other["request"] |= OTHER_REQUESTS[what]
    if "deployments" in what:
        other["request"]["kind"] = {"group": "apps", "version": "v1", "kind": "Deployment"}
    done = replayed(tmp_path, with_entries(entry()), other)

    assert (done.code, verdict(done)) == (
        0,
        f"# not called: the API server would not ask: no rule covers {what}, in entry pods.example.com",
    )


# The object of such a review may be anything, so only the rules count.
@pytest.mark.parametrize("members", [{}, {"objectSelector": TEAM}], ids=["rules only", "a selector too"])
def test_a_review_that_is_no_creation_and_that_a_rule_covers_is_answered(tmp_path: Path, members: Object) -> None:
    rules = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}]
    update = review(pod())
    update["request"]["operation"] = "UPDATE"
    done = replayed(tmp_path, with_entries(entry(rules=rules, **members)), update)

    assert verdict(done) == "# unchanged: not_create"


REFUSED: dict[str, tuple[Object, str]] = {
    "a ServiceAccount that is nowhere": (installed(), "ServiceAccount shop/web not found"),
    "a namespace that is nowhere": (installed(WEB, namespaces={"other": {}}), "Namespace shop not found"),
    "a namespace that is being deleted": (
        {**installed(WEB), namespace_path("shop"): {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}},
        "Namespace shop is being deleted",
    ),
}


@pytest.mark.parametrize(("objects", "what"), REFUSED.values(), ids=REFUSED)
def test_a_pod_that_the_api_server_refuses_by_itself_is_denied(objects: Object, what: str, tmp_path: Path) -> None:
    done = replayed(tmp_path, objects, pod())
    as_a_pod = replayed(tmp_path, objects, pod(), flags=("--output=pod",))

    why = f"denied: {what}: the API server would refuse the pod"
    assert (done.code, verdict(done)) == (1, f"# {why}")
    assert as_a_pod == Outcome(1, "", f"{START} Pod shop/app (standard input, line 1): {why}\n")


def test_the_service_account_that_the_cluster_makes_by_itself_is_not_missed(tmp_path: Path) -> None:
    made = pod()
    made["spec"]["serviceAccountName"] = "default"
    done = replayed(tmp_path, installed(), made)

    assert (done.code, verdict(done).partition(",")[0]) == (0, "# unchanged: service_account_not_found")
    assert done.out.splitlines()[2] == (
        "# warning: ServiceAccount shop/default is not there yet: the cluster makes it by itself, without a role"
    )


def test_a_namespace_that_the_cluster_does_not_have_is_that_of_the_input(tmp_path: Path) -> None:
    objects = with_entries(
        entry(namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "new", "team": "x"}})
    )
    metadata = {"name": "new", "labels": {"team": "x"}}
    manifests = [{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, service_account("new"), pod("new")]

    assert verdict(replayed(tmp_path, objects, *manifests)) == "# patched: injected"
    del metadata["labels"]
    assert verdict(replayed(tmp_path, objects, *manifests)).startswith("# not called: ")


def test_objects_without_a_namespace_are_in_that_of_the_context(tmp_path: Path) -> None:
    objects = installed(service_account("staging"), namespaces={"staging": {}, "shop": {}})
    with api_server(objects) as server:
        path = tmp_path / "config"
        text = Path(kubeconfig(path, here=server.url)).read_text()
        path.write_text(text.replace('"user": "nobody"', '"user": "nobody", "namespace": "staging"'))
        command = ("replay", "-", "--live", f"--kubeconfig={path}")
        of_the_context = run(*command, stdin=stream(pod(None)))
        of_the_flag = run(*command, "--namespace=shop", stdin=stream(pod(None)))

    assert of_the_context.out.startswith("# Pod staging/app (standard input, line 1)\n# patched: injected\n")
    assert of_the_flag.out.startswith("# Pod shop/app (standard input, line 1)\n# denied: ServiceAccount shop/web ")


def test_a_configuration_that_is_not_there_is_said_and_all_else_is_as_without(tmp_path: Path) -> None:
    objects = installed(WEB)
    del objects[CONFIGURATION]
    done = replayed(tmp_path, objects, pod())
    elsewhere = replayed(
        tmp_path,
        {**objects, CONFIGURATION.replace("pod-identity-webhook", "mine"): {"webhooks": [entry()]}},
        pod(),
        flags=("--webhook-configuration=mine",),
    )

    assert done.err.splitlines() == [
        f"{START} mutatingwebhookconfigurations pod-identity-webhook does not exist",
        (
            f"{START} without the MutatingWebhookConfiguration pod-identity-webhook, the cluster does not call "
            "the webhook: what follows is what it would do if it were installed; if yours has another name, set "
            "--webhook-configuration"
        ),
        f"{START} the flags of the running webhook cannot be read: replay uses its own flags and their defaults",
    ]
    assert (done.code, done.out.splitlines()[1]) == (0, "# patched: injected")
    assert (elsewhere.code, verdict(elsewhere)) == (0, "# patched: injected")


def test_a_namespace_that_may_not_be_read_is_said_and_its_selectors_are_left_out(tmp_path: Path) -> None:
    objects = {**with_entries(entry(namespaceSelector=TEAM)), namespace_path("shop"): 403}
    done = replayed(tmp_path, objects, pod())

    assert (done.code, done.out.splitlines()[1]) == (0, "# patched: injected")
    assert done.err.startswith(f"{START} namespaceSelectors are not evaluated: get namespaces shop: 403: ")
    assert done.err.endswith('(grant apiGroups: [""], resources: ["namespaces"], verbs: ["get"] in a ClusterRole)\n')


def test_entries_of_another_webhook_in_the_same_configuration_do_not_count(tmp_path: Path) -> None:
    other = entry("other.example.com")
    other["clientConfig"]["service"]["name"] = "other"
    done = replayed(tmp_path, with_entries(entry(namespaceSelector=TEAM), other), pod())

    assert done.err == (
        f"{START} entries that call another webhook than pods.example.com are ignored: other.example.com\n"
    )
    assert done.out.splitlines()[1].startswith("# not called: ")
