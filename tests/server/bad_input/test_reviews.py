"""Bad reviews over real HTTPS: the answer names the member, and the process lives on."""

from typing import Any

import httpx
import pytest

from tests.server.bad_input.wrong_calls import changed
from tests.server.reviews import GOOD, JSON, Path, assert_answers_a_good_review, encoded, paths, put, review

UNREAD = {
    ("request", "kind", "version"),
    ("request", "resource", "version"),
    ("request", "object", "apiVersion"),
}
PATHS = paths(review())


def shown(path: Path) -> str:
    """A path as an answer names it."""
    text = ""
    for key, before in zip(path, ("", *path), strict=False):
        in_map = before in {"labels", "nodeSelector"} or isinstance(key, int)
        text += f"[{key}]" if in_map else f".{key}"
    return text.removeprefix(".")


@pytest.mark.parametrize("path", PATHS, ids=[shown(path) for path in PATHS])
@pytest.mark.parametrize("wrong", [7, "x", {"a": 1}, [7], True], ids=["number", "string", "object", "array", "bool"])
def test_a_wrong_type_is_refused_by_its_path_wherever_we_read(client: httpx.Client, path: Path, wrong: Any) -> None:
    value = review()
    right: Any = value
    for key in path:
        right = right[key]
    if isinstance(wrong, type(right)):
        return
    put(value, path, wrong)
    answer = client.post("/mutate", content=encoded(value), headers=JSON)
    if path in UNREAD:
        assert answer.json()["response"]["allowed"] is True
    elif path[:2] == ("request", "object"):
        assert answer.status_code == 200
        response = answer.json()["response"]
        assert (response["uid"], response["allowed"], response["status"]["code"]) == ("the-uid", False, 400)
        path_of_object = shown(path[2:]) or "object"
        assert response["status"]["message"].startswith(f"{path_of_object}: expected ")
        assert "patch" not in response
    else:
        assert answer.status_code == 400
        assert answer.text.startswith(f"not an AdmissionReview: {shown(path)}: expected ")
        assert answer.text.count("\n") == 1


@pytest.mark.parametrize(
    ("path", "wrong", "message"),
    [
        (("containers",), {"name": "main"}, "spec.containers: expected array | null, got object"),
        (("containers",), [None], "spec.containers[0]: expected object, got null"),
        (("containers", 0), {}, "spec.containers[0].name: missing"),
        (
            ("serviceAccountName",),
            "../../secrets/x",
            'spec.serviceAccountName: "../../secrets/x" is not a DNS-1123 subdomain',
        ),
        (
            ("serviceAccountName",),
            "a%2fb",
            'spec.serviceAccountName: "a%2fb" is not a DNS-1123 subdomain',
        ),
        (
            ("serviceAccountName",),
            "a\nb",
            'spec.serviceAccountName: "a\\x0ab" is not a DNS-1123 subdomain',
        ),
    ],
)
def test_a_pod_that_makes_no_sense_is_denied_with_the_reason(
    client: httpx.Client, path: Path, wrong: Any, message: str
) -> None:
    answer = client.post("/mutate", content=changed(wrong, "request", "object", "spec", *path), headers=JSON)
    response = answer.json()["response"]
    assert (response["allowed"], response["status"]["code"], response["status"]["message"]) == (False, 400, message)
    assert_answers_a_good_review(client)


def test_a_namespace_that_is_none_is_denied_with_the_reason(client: httpx.Client) -> None:
    answer = client.post("/mutate", content=changed("../kube-system", "request", "namespace"), headers=JSON)
    assert answer.json()["response"]["status"]["message"] == (
        'request.namespace: "../kube-system" is not a DNS-1123 label'
    )


def test_names_that_json_pointer_escapes_are_taken_as_they_are(client: httpx.Client) -> None:
    value = review()
    put(value, ("request", "object", "metadata", "labels"), {"a/b~c": "v", "~1": "w"})
    put(value, ("request", "object", "spec", "containers", 0, "name"), "a/b~1c~0")
    answer = client.post("/mutate", content=encoded(value), headers=JSON)
    assert answer.json()["response"]["allowed"] is True
    assert "patch" in answer.json()["response"]


def test_of_duplicate_keys_the_last_wins(client: httpx.Client) -> None:
    twice = GOOD.replace(b'"uid": "the-uid"', b'"uid": "first", "uid": "the-uid"')
    twice = twice.replace(b'"namespace": "ci", "operation"', b'"namespace": 7, "namespace": "ci", "operation"')
    answer = client.post("/mutate", content=GOOD.replace(b'"uid": "the-uid"', b'"uid": "a", "uid": "z"'), headers=JSON)
    assert answer.json()["response"]["uid"] == "z"
    # A wrong type is one all the same, though another follows.
    assert client.post("/mutate", content=twice, headers=JSON).status_code == 400
