"""Properties of every pod: the patch only adds, a second run adds nothing, and admission raises for no body."""

import base64
import copy
import json
from typing import Any, Final

import jsonpatch
import jsonpointer
from hypothesis import example, given
from hypothesis import strategies as st

from webhook.admission import decision as decision_module
from webhook.admission.annotations import OUR_VARIABLES
from webhook.admission.decision import REASONS, Decision, answer, decide
from webhook.admission.identity import ServiceAccount, Sources, own_annotations
from webhook.admission.review import encode, parse
from webhook.admission.settings import Settings
from webhook.errors import ReviewError

JSON = dict[str, Any]

ROLE_ARN: Final = "arn:aws:iam::111122223333:role/app"
MOUNT_PATH: Final = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
AGENT_PATH: Final = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
ACCOUNT: Final = ServiceAccount("shop", "app", {"role-arn": ROLE_ARN, "sts-regional-endpoints": "true"})

odd_names = st.one_of(
    st.sampled_from(["main", "proxy", "a/b", "a~b", "~1", "~0/", "-", "0", "", "mäin", "🚀", "x" * 300]),
    st.text(max_size=8),
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
unknown_fields = st.dictionaries(st.text(max_size=4).map("x-{}".format), json_values, max_size=2)


def _objects(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[JSON]:
    """Generates objects that may also have unknown fields, before or after the known ones."""
    known = st.fixed_dictionaries(required, optional=optional)
    return st.tuples(known, unknown_fields, st.booleans()).map(
        lambda drawn: {**drawn[1], **drawn[0]} if drawn[2] else {**drawn[0], **drawn[1]}
    )


def _maybe_null(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


variables = _objects(
    {"name": st.sampled_from(sorted(OUR_VARIABLES)) | odd_names},
    {
        "value": st.sampled_from([ROLE_ARN, f"{MOUNT_PATH}/token", "regional", ""]) | st.text(max_size=5),
        "valueFrom": json_values,
    },
)
volume_names = st.sampled_from(["aws-iam-token", "eks-pod-identity-token", "data"]) | odd_names
mounts = _objects(
    {
        "name": volume_names,
        "mountPath": st.sampled_from(
            [
                MOUNT_PATH,
                f"{MOUNT_PATH}/",
                f"/{MOUNT_PATH}",
                AGENT_PATH,
                "C:" + MOUNT_PATH.replace("/", "\\"),
                "/data",
                "",
            ]
        ),
    },
    {"readOnly": st.booleans()},
)
tokens = _objects(
    {"path": st.sampled_from(["token", "eks-pod-identity-token", "other"])},
    {"audience": st.sampled_from(["sts.amazonaws.com", "pods.eks.amazonaws.com", ""])},
)
volumes = _objects(
    {"name": volume_names},
    {
        "projected": _maybe_null(
            _objects({}, {"sources": _maybe_null(st.lists(_objects({}, {"serviceAccountToken": tokens}), max_size=2))})
        ),
        "emptyDir": json_values,
    },
)
containers = _objects(
    {"name": odd_names},
    {
        "env": _maybe_null(st.lists(variables, max_size=4)),
        "volumeMounts": _maybe_null(st.lists(mounts, max_size=2)),
        "restartPolicy": st.just("Always"),
    },
)
annotations = st.dictionaries(odd_names, st.text(max_size=5), max_size=2).flatmap(
    lambda others: st.fixed_dictionaries(
        {},
        optional={
            "eks.amazonaws.com/skip-containers": st.sampled_from(["main", "proxy,a/b", " 🚀 ,", ""]),
            "eks.amazonaws.com/only-containers": st.sampled_from(["main", "proxy,mäin", ""]),
            "eks.amazonaws.com/role-session-name": st.sampled_from(["pod-name", "shop", "x", "a b"]),
            "eks.amazonaws.com/token-expiration": st.sampled_from(["3600", "1", "1h", "9999999999"]),
        },
    ).map(lambda ours: {**others, **ours})
)
labels = st.dictionaries(
    odd_names
    | st.sampled_from(
        [
            "eks.amazonaws.com/pod-identity",
            "eks.amazonaws.com/require-pod-identity",
            "eks.amazonaws.com/skip-pod-identity-webhook",
        ]
    ),
    st.sampled_from(["true", "enabled", ""]),
    max_size=2,
)
pods = _objects(
    {
        "spec": _objects(
            {"serviceAccountName": st.just("app"), "containers": st.lists(containers, min_size=1, max_size=3)},
            {
                "initContainers": _maybe_null(st.lists(containers, max_size=2)),
                "ephemeralContainers": json_values,
                "volumes": _maybe_null(st.lists(volumes, max_size=3)),
                "os": _maybe_null(_objects({}, {"name": st.sampled_from(["windows", "linux"])})),
                "nodeSelector": _maybe_null(st.dictionaries(st.just("kubernetes.io/os"), st.just("windows"))),
            },
        )
    },
    {
        "metadata": _maybe_null(
            _objects(
                {},
                {
                    "name": odd_names,
                    "generateName": odd_names,
                    "annotations": _maybe_null(annotations),
                    "labels": _maybe_null(labels),
                },
            )
        )
    },
)
all_sources = st.sampled_from([Sources(), Sources(container_credentials=frozenset({("shop", "app")}))])
all_settings = st.sampled_from(
    [
        Settings(),
        Settings(aws_default_region="eu-central-1", sts_regional_endpoint=True),
        Settings(token_mount_path="/aws/"),
    ]
)


def _review(pod: Any, **request: Any) -> JSON:
    members = {
        "uid": "1",
        "kind": {"kind": "Pod"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": pod,
        **request,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": members}


def _decided(pod: JSON, sources: Sources, settings: Settings) -> tuple[Decision, list[JSON]]:
    """Returns the decision, and its patch as the API server gets it."""
    review = parse(json.dumps(_review(pod)).encode())
    decision = decide(review, ACCOUNT, sources, settings)
    response = json.loads(answer(review, decision))["response"]
    return decision, json.loads(base64.b64decode(response["patch"])) if "patch" in response else []


def _survives(before: Any, after: Any) -> bool:
    """Whether `after` still has all of `before`: the patch may only add members and items, or replace nulls."""
    if before is None:
        return True
    if isinstance(before, dict):
        return isinstance(after, dict) and all(key in after and _survives(before[key], after[key]) for key in before)
    if isinstance(before, list):
        return isinstance(after, list) and len(before) <= len(after) and all(map(_survives, before, after))
    return type(before) is type(after) and bool(before == after)


def _containers(pod: JSON) -> list[JSON]:
    return [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]


@given(pods, all_sources, all_settings)
def test_the_patch_only_adds_and_creates_each_parent_first(pod: JSON, sources: Sources, settings: Settings) -> None:
    _, patch = _decided(pod, sources, settings)
    patched = copy.deepcopy(pod)
    for operation in patch:
        assert operation.keys() == {"op", "path", "value"}
        assert operation["op"] == "add"
        *parents, last = jsonpointer.JsonPointer(operation["path"]).parts
        parent = jsonpointer.JsonPointer.from_parts(parents).resolve(patched)
        if isinstance(parent, list):
            assert last == "-"
        else:
            assert isinstance(parent, dict)
            assert parent.get(last) is None
        patched = jsonpatch.apply_patch(patched, [operation])
    assert patched == jsonpatch.apply_patch(pod, patch)
    assert _survives(pod, patched)
    assert len(_containers(pod)) == len(_containers(patched))


@given(pods, all_sources, all_settings, st.text(min_size=1, max_size=9), st.sampled_from(["v1", "v1beta1"]))
@example({"spec": {"containers": [{"name": "main"}]}}, Sources(), Settings(), 'a"b\\c\u2028', "v1beta1")
def test_earlier_reviews_do_not_change_an_answer(
    pod: JSON, sources: Sources, settings: Settings, uid: str, version: str
) -> None:
    whole = {**_review(pod, uid=uid), "apiVersion": f"admission.k8s.io/{version}"}
    review = parse(json.dumps(whole).encode())
    other = parse(json.dumps(_review(pod, uid="other")).encode())

    def decided() -> bytes:
        decision = decide(review, ACCOUNT, sources, settings)
        # An answer built from the shared part must equal one that is encoded as a whole.
        assert answer(review, decision) == encode(review, decision_module._response(uid, decision))
        return answer(review, decision)

    decision_module._on_shape.cache_clear()
    cold = decided()
    answer(other, decide(other, ACCOUNT, sources, settings))
    assert decided() == cold


@given(pods, all_sources, all_settings)
def test_a_second_run_adds_nothing_and_says_nothing_new(pod: JSON, sources: Sources, settings: Settings) -> None:
    first, patch = _decided(pod, sources, settings)
    second, nothing = _decided(jsonpatch.apply_patch(pod, patch), sources, settings)
    assert nothing == []
    assert set(second.warnings) <= set(first.warnings)
    assert second.audit == first.audit
    assert second.allowed == first.allowed
    assert first.reason in REASONS


@given(pods, all_sources, all_settings)
def test_a_skipped_container_stays_unchanged_byte_for_byte(pod: JSON, sources: Sources, settings: Settings) -> None:
    ours = own_annotations((pod.get("metadata") or {}).get("annotations"), Settings())
    skip = {name.strip() for name in ours.get("skip-containers", "").split(",")} - {""}
    only = {name.strip() for name in ours.get("only-containers", "").split(",")} - {""}
    _, patch = _decided(pod, sources, settings)
    patched = jsonpatch.apply_patch(pod, patch)
    for before, after in zip(_containers(pod), _containers(patched), strict=True):
        if before["name"] in skip or (only and before["name"] not in only):
            assert json.dumps(after) == json.dumps(before)
    assert json.dumps(patched["spec"].get("ephemeralContainers")) == json.dumps(pod["spec"].get("ephemeralContainers"))


@given(pods, all_sources, all_settings)
def test_the_warnings_stay_within_the_api_servers_limits(pod: JSON, sources: Sources, settings: Settings) -> None:
    decision, _ = _decided(pod, sources, settings)
    _assert_bounded(decision.warnings)


def test_the_warnings_of_300_containers_with_long_names_fit_too() -> None:
    env = [{"name": "AWS_ROLE_ARN", "value": "own"}]
    pod = {
        "spec": {
            "serviceAccountName": "app",
            "containers": [{"name": f"ß{n}" + "é" * 60, "env": env} for n in range(300)],
        }
    }
    decision, _ = _decided(pod, Sources(), Settings())
    _assert_bounded(decision.warnings)
    assert len(decision.warnings) > 15
    assert decision.warnings[-1] == f"{300 - len(decision.warnings) + 1} more warnings of this kind left out"


def _assert_bounded(warnings: list[str]) -> None:
    assert all(0 < len(warning) <= 256 for warning in warnings)
    assert all(warning.isascii() and warning.isprintable() for warning in warnings)
    assert len("".join(warnings).encode()) < 4096
    assert len(set(warnings)) == len(warnings)


BODY: Final = json.dumps(
    _review({"metadata": {"name": "web", "labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "env": []}]}})
).encode()


def _answers_or_refuses(body: bytes) -> None:
    """Checks that a body gets an answer with its uid, or a ReviewError, and nothing else."""
    try:
        review = parse(body)
    except ReviewError as error:
        text = str(error)
        assert text
        assert "\n" not in text
        return
    decision = decide(review, ACCOUNT, Sources(), Settings())
    document = json.loads(answer(review, decision))
    assert document["response"]["uid"] == review.uid
    assert document["response"]["allowed"] is decision.allowed
    assert decision.reason in REASONS


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_with_a_message(body: bytes) -> None:
    _answers_or_refuses(body)


@given(st.integers(0, len(BODY)), st.integers(0, 12), st.binary(max_size=6))
def test_a_damaged_review_is_answered_or_refused_with_a_message(start: int, length: int, junk: bytes) -> None:
    _answers_or_refuses(BODY[:start] + junk + BODY[start + length :])


FULL: Final[JSON] = _review(
    {
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "generateName": "web-",
            "namespace": "shop",
            "labels": {"a": "b"},
            "annotations": {"a": "b"},
        },
        "spec": {
            "serviceAccountName": "app",
            "serviceAccount": "app",
            "nodeSelector": {"a": "b"},
            "os": {"name": "linux"},
            "containers": [
                {
                    "name": "main",
                    "env": [{"name": "A", "value": "b"}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "initContainers": [{"name": "setup"}],
            "volumes": [
                {
                    "name": "aws-iam-token",
                    "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "x"}}]},
                }
            ],
        },
    },
    kind={"group": "", "kind": "Pod"},
    resource={"group": "", "resource": "pods"},
    subResource="",
    dryRun=False,
)


def _places(value: Any, pointer: str = "") -> list[str]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    below = [place for key, item in items for place in _places(item, f"{pointer}/{key}")]
    return [pointer, *below] if pointer else below


@given(st.sampled_from(_places(FULL)), json_values | st.text(max_size=20))
@example("/request/object/metadata/labels/a", 5)
@example("/request/object/spec/volumes/0/projected", None)
def test_any_json_where_we_read_is_answered_or_refused_with_a_message(place: str, value: Any) -> None:
    document = copy.deepcopy(FULL)
    jsonpointer.set_pointer(document, place, value)
    _answers_or_refuses(json.dumps(document).encode())


@given(st.sampled_from(_places(FULL)), json_values, st.booleans())
def test_a_duplicate_of_any_member_is_answered_or_refused_with_a_message(
    place: str, value: Any, comes_last: bool
) -> None:
    parent_place, _, key = place.rpartition("/")
    document = copy.deepcopy(FULL)
    parent = jsonpointer.resolve_pointer(document, parent_place)
    if isinstance(parent, list):
        return
    marked = {"DUPLICATE": value, **parent} if not comes_last else {**parent, "DUPLICATE": value}
    if parent_place:
        jsonpointer.set_pointer(document, parent_place, marked)
    else:
        document = marked
    _answers_or_refuses(json.dumps(document).replace('"DUPLICATE"', json.dumps(key)).encode())
