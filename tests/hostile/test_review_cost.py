"""The cost of the worst reviews, in bytecodes, which do not depend on the machine."""

import sys
from types import FrameType
from typing import Any

import pytest

from tests.hostile.worst_reviews import MAX_BODY, SETTINGS, WORST, sized
from webhook.admission.decision import MAX_PATCH, Decision, answer, decide
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.review import MAX_MEMBERS, parse

ACCOUNT = ServiceAccount("tenant", "app", {"role-arn": "arn:aws:iam::111122223333:role/app"})
# The cost may grow by this factor if the input doubles: by two, and some more for effects of size.
MOST = 2.3


def decided(body: bytes, *, requires: bool = False) -> tuple[Decision, bytes]:
    """Returns the decision on `body`, and the answer."""
    review = parse(body)
    decision = decide(review, ACCOUNT, Sources(), SETTINGS, namespace_requires=requires)
    return decision, answer(review, decision)


def bytecodes(body: bytes) -> int:
    """Returns how many Python instructions it takes to answer `body`."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return trace

    # Fill the caches first.
    decided(body)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        decided(body)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", WORST)
def test_twice_the_review_costs_about_twice(name: str) -> None:
    small, large = sized(name, 6_000), sized(name, 12_000)
    assert bytecodes(large) / bytecodes(small) <= MOST * len(large) / len(small) / 2


@pytest.mark.parametrize("name", WORST)
def test_the_largest_review_gets_its_reason_and_an_answer_that_a_cluster_accepts(name: str) -> None:
    decision, response = decided(sized(name, MAX_BODY), requires=True)
    assert decision.reason
    # In base64, and with its paths.
    assert len(response) < 4 * MAX_PATCH
    assert len(decision.denied) < 1000
    if decision.reason == "invalid_pod":
        assert decision.denied


def test_a_body_with_more_members_than_a_cluster_stores_is_refused_before_decoding() -> None:
    members = b",".join(b'"%d":0' % number for number in range(MAX_MEMBERS))
    body = b'{"request":{"uid":"u","operation":"CREATE","kind":{"kind":"Pod"},"object":{"x":{%b},"spec":{}}}}' % members
    decision, _ = decided(body)
    assert (decision.reason, decision.code) == ("invalid_pod", 400)
    assert decision.denied == "object: has more members than a cluster can store"
    spaced, _ = decided(body.replace(b'":', b'"\n\t:'))
    assert spaced.denied == decision.denied
    # Eight are the review's own.
    fewer, _ = decided(body.replace(b'{"x":{%b},' % members, b'{"x":{%b},' % members[: members.index(b'"399992"') - 1]))
    assert fewer.reason == "no_service_account"


def test_annotations_over_the_api_servers_limit_are_refused() -> None:
    text = ",".join("x" for _ in range(131_073))
    body = (
        b'{"request":{"uid":"u","operation":"CREATE","kind":{"kind":"Pod"},"object":{"metadata":{"annotations":'
        b'{"a":"%b"}},"spec":{"serviceAccountName":"app","containers":[{"name":"c"}]}}}}' % text.encode()
    )
    decision, _ = decided(body)
    assert (decision.reason, decision.denied) == (
        "invalid_pod",
        "metadata.annotations: 262146 characters are more than the API server takes",
    )
    assert decided(body.replace(b",x", b"", 1))[0].reason == "injected"


def test_variants_of_one_service_account_have_different_hashes() -> None:
    variants = {
        ServiceAccount("tenant", "app", {"role-arn": "a", "token-expiration": str(number)}) for number in range(2000)
    }
    assert len({hash(variant) for variant in variants}) > 1900
    assert hash(ServiceAccount("a", "b", {"x": "y"})) == hash(ServiceAccount("a", "b", {"x": "y"}))
