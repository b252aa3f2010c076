"""Evaluates a trust policy for a request as IAM does: allowed, denied, or undetermined.

Source: "Policy evaluation logic" in IAM's user guide. A statement applies if its principal, its action and all its
conditions match. A request is allowed if an Allow applies and no Deny does. What cannot be known stays unknown: it
makes the outcome undetermined only if the outcome depends on it.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from webhook.issuer.trust_policy.conditions import ConditionResult, evaluate_condition
from webhook.issuer.trust_policy.document import Principal, Statement, TrustPolicy
from webhook.issuer.trust_policy.patterns import glob_matches
from webhook.issuer.trust_policy.request import Request
from webhook.issuer.trust_policy.truth import Truth, all_of, any_of, negated

Outcome: TypeAlias = Literal["allowed", "denied", "undetermined"]

_OUTCOMES: Final[dict[Truth, Outcome]] = {True: "allowed", False: "denied", None: "undetermined"}


@dataclass(frozen=True, slots=True)
class PartResult:
    """Whether the principal or the action of a statement matches (None: unknown), and why."""

    holds: Truth
    reason: str


@dataclass(frozen=True, slots=True)
class StatementResult:
    """Whether a statement applies to the request (None: unknown), with the result of each of its parts."""

    statement: Statement
    applies: Truth
    principal: PartResult
    action: PartResult
    conditions: tuple[ConditionResult, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome with its reason, and the result of each statement in the policy's order."""

    outcome: Outcome
    reason: str
    statements: tuple[StatementResult, ...]


def evaluate(policy: TrustPolicy, request: Request) -> Verdict:
    """Returns what IAM decides about `request`, as far as it can be known."""
    results = tuple(_evaluate_statement(policy, statement, request) for statement in policy.statements)
    if policy.problems:
        first = policy.problems[0]
        reason = f"IAM refuses this policy, or may read it otherwise: {first.path}: {first.what}"
        return Verdict("undetermined", reason, results)
    is_allowed = any_of(result.applies for result in results if result.statement.effect == "Allow")
    is_refused = any_of(result.applies for result in results if result.statement.effect == "Deny")
    outcome = _OUTCOMES[all_of((is_allowed, negated(is_refused)))]
    return Verdict(outcome, _reason(outcome, results), results)


def _evaluate_statement(policy: TrustPolicy, statement: Statement, request: Request) -> StatementResult:
    principal = _principal(statement, request)
    action = _action(statement, request)
    conditions = tuple(
        evaluate_condition(condition, request, has_variables=policy.has_variables) for condition in statement.conditions
    )
    applies = all_of((principal.holds, action.holds, *(result.holds for result in conditions)))
    return StatementResult(statement, applies, principal, action, conditions)


def _principal(statement: Statement, request: Request) -> PartResult:
    if not statement.principals:
        return PartResult(None, "the statement has no principal that can be read")
    each = [_principal_matches(principal, request) for principal in statement.principals]
    holds = any_of(each)
    if holds:
        matched = statement.principals[each.index(True)]
        everyone = matched.value.text == "*"
        return PartResult(True, "it is everyone" if everyone else "it is the token's provider")
    if holds is None:
        return PartResult(None, 'IAM does not document whom {"Federated": "*"} matches')
    return PartResult(False, "none of its principals is the token's provider")


def _principal_matches(principal: Principal, request: Request) -> Truth:
    text = principal.value.text
    if text == "*":
        # IAM documents "*" and {"AWS": "*"} as the same: everyone, also who has no AWS identity yet.
        return True if principal.kind in ("*", "AWS") else (None if principal.kind == "Federated" else False)
    return principal.kind == "Federated" and text == request.principal


def _action(statement: Statement, request: Request) -> PartResult:
    if not statement.actions:
        return PartResult(None, "the statement has no action that can be read")
    is_named = any(glob_matches(action.text, request.action, ignore_case=True) for action in statement.actions)
    listed = "NotAction names" if statement.is_not_action else "Action names"
    reason = f"{listed} the request's action" if is_named else f"{listed} other actions only"
    return PartResult(is_named != statement.is_not_action, reason)


def _reason(outcome: Outcome, results: tuple[StatementResult, ...]) -> str:
    def paths(effect: str, applies: Truth) -> str:
        found = [r.statement.path for r in results if r.statement.effect == effect and r.applies is applies]
        return ", ".join(found)

    if refusing := paths("Deny", True):
        return f"an explicit Deny applies: {refusing}"
    if outcome == "allowed":
        return f"an Allow applies: {paths('Allow', True)}"
    if outcome == "denied":
        return "no Allow applies"
    if doubtful := paths("Deny", None):
        return f"it is not known whether a Deny applies: {doubtful}"
    return f"it is not known whether an Allow applies: {paths('Allow', None)}"
