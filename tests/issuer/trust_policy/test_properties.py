"""What holds for the evaluation of every policy."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.issuer.trust_policy.policies import EXACT, PROVIDER, REPORTS, SUB, policy, request, statement
from tests.issuer.trust_policy.strategies import conditions, statements, untimed
from webhook.issuer.trust_policy.conditions import evaluate_condition
from webhook.issuer.trust_policy.document import Condition, Value
from webhook.issuer.trust_policy.evaluation import Outcome, evaluate
from webhook.issuer.trust_policy.patterns import glob_matches
from webhook.issuer.trust_policy.request import Request

UNRELATED = (
    statement({"StringEquals": {SUB: "system:serviceaccount:else:where"}}),
    statement({"StringEquals": {SUB: "system:serviceaccount:else:where"}}, Effect="Deny"),
    statement(Principal={"Service": "ec2.amazonaws.com"}, Action="sts:AssumeRole"),
    statement(Principal={"AWS": "arn:aws:iam::111122223333:root"}, Effect="Deny"),
    statement(Action="sts:TagSession", Effect="Deny"),
)
some = st.lists(statements(), min_size=1, max_size=4)


def outcome(*whole: dict[str, Any], asked: Request | None = None) -> Outcome:
    return evaluate(policy(*whole), asked or request()).outcome


@untimed
@given(some, st.sampled_from(UNRELATED), st.integers(0, 4))
def test_an_unrelated_statement_changes_nothing(
    whole: list[dict[str, Any]], unrelated: dict[str, Any], place: int
) -> None:
    assert outcome(*whole[:place], unrelated, *whole[place:]) == outcome(*whole)


@untimed
@given(some, statements("Allow"))
def test_without_an_allow_nothing_denied_becomes_allowed(whole: list[dict[str, Any]], allow: dict[str, Any]) -> None:
    if outcome(*whole, allow) == "denied":
        assert outcome(*whole) == "denied"


@untimed
@given(some, statements("Deny"))
def test_a_deny_more_allows_nothing_more(whole: list[dict[str, Any]], deny: dict[str, Any]) -> None:
    if outcome(*whole, deny) == "allowed":
        assert outcome(*whole) == "allowed"


@untimed
@given(some, st.randoms(use_true_random=False))
def test_the_order_of_statements_is_without_meaning(whole: list[dict[str, Any]], random: Any) -> None:
    shuffled = random.sample(whole, len(whole))

    assert outcome(*shuffled) == outcome(*whole)


@untimed
@given(some)
def test_a_statement_twice_is_as_good_as_once(whole: list[dict[str, Any]]) -> None:
    assert outcome(*whole, *whole) == outcome(*whole)


@untimed
@given(
    some,
    st.dictionaries(
        st.sampled_from(("aws:SourceIp", "aws:RequestTag/team", "sts:x", "aws:username")),
        st.lists(st.sampled_from(("x", "7", "10.1.1.1", "true")), max_size=2).map(tuple),
    ),
)
def test_to_know_more_of_the_request_never_turns_the_outcome_round(
    whole: list[dict[str, Any]], known: dict[str, tuple[str, ...]]
) -> None:
    """What was decided without a key stays so, whatever the key turns out to be: unknown is not guessed."""
    before = outcome(*whole)

    if before != "undetermined":
        assert outcome(*whole, asked=request(keys=known)) == before


@untimed
@given(conditions)
def test_a_deny_is_the_exact_opposite_of_the_same_allow(block: dict[str, Any]) -> None:
    allow = outcome(statement(block))
    deny = outcome(statement(), statement(block, Effect="Deny"))

    assert deny == {"allowed": "denied", "denied": "allowed", "undetermined": "undetermined"}[allow]


@untimed
@given(st.sampled_from(("Equals", "Like", "EqualsIgnoreCase")), st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_a_negated_operator_is_the_opposite_of_the_positive_one(name: str, texts: list[str]) -> None:
    def holds(operator: str) -> bool | None:
        condition = Condition("$", operator, SUB, tuple(Value("$", text) for text in texts))
        return evaluate_condition(condition, request("a*b"), has_variables=False).holds

    assert holds(f"StringNot{name}") is not holds(f"String{name}")


@untimed
@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_a_pattern_matches_as_its_definition_says(pattern: str, value: str) -> None:
    def matches(rest: str, text: str) -> bool:
        if not rest:
            return not text
        if rest[0] == "*":
            return any(matches(rest[1:], text[index:]) for index in range(len(text) + 1))
        return bool(text) and rest[0] in ("?", text[0]) and matches(rest[1:], text[1:])

    assert glob_matches(pattern, value) == matches(pattern, value)


def test_the_properties_see_each_outcome() -> None:
    """The unrelated statements are unrelated, and the exact one is not."""
    assert outcome(statement(EXACT)) == "allowed"
    assert [outcome(each) for each in UNRELATED] == ["denied"] * len(UNRELATED)
    assert evaluate(policy(statement(EXACT)), request(f"{REPORTS}x")).outcome == "denied"
    assert PROVIDER.path in SUB
