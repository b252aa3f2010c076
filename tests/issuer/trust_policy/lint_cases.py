"""Each mistake in a trust policy with the findings that the lint must have, and policies that are good."""

from dataclasses import dataclass, field
from typing import Any

from tests.issuer.trust_policy.policies import AUD, EXACT, PROVIDER, REPORTS, STS, SUB, Object, document, statement

S = "$.Statement[0]"
POD_IDENTITY = statement(Principal={"Service": "pods.eks.amazonaws.com"}, Action=["sts:AssumeRole", "sts:TagSession"])


@dataclass(frozen=True)
class Mistake:
    """A policy, and each finding as its rule, its JSON path and a part of what it says."""

    policy: Any
    found: tuple[tuple[str, str, str], ...] = field(default=())


def key(operator: str, name: str) -> str:
    """The JSON path of a key in the first statement."""
    where = f".{operator}" if operator.isalpha() else f'["{operator}"]'
    return f'{S}.Condition{where}["{name}"]'


def comparing(operator: str, sub: Any) -> Object:
    """A policy with this comparison of sub, and an exact one of aud."""
    both = {SUB: sub, AUD: STS} if operator == "StringEquals" else None
    return document(statement({operator: both} if both else {operator: {SUB: sub}, "StringEquals": {AUD: STS}}))


def one(policy: Any, rule: str, path: str, what: str) -> Mistake:
    """A mistake with one finding."""
    return Mistake(policy, ((rule, path, what),))


def federated(arn: Any, kind: str = "Federated") -> Object:
    """A policy of this provider."""
    return document(statement(EXACT, Principal={kind: arn}))


EQUALS_SUB, LIKE_SUB, EQUALS_AUD = key("StringEquals", SUB), key("StringLike", SUB), key("StringEquals", AUD)
ARN = str(PROVIDER)
FED = f"{S}.Principal.Federated"

CONDITIONS = {
    "a wildcard under StringEquals": one(
        comparing("StringEquals", "system:serviceaccount:shop:*"), "wildcard-under-equals", EQUALS_SUB, "never matches"
    ),
    "a wildcard in a list under StringEquals": one(
        comparing("StringEquals", [REPORTS, "system:serviceaccount:*:web"]),
        "wildcard-under-equals",
        f"{EQUALS_SUB}[1]",
        "takes as a character",
    ),
    "a wildcard under StringEquals in a Deny": one(
        document(statement(EXACT), statement({"StringEquals": {SUB: "system:*"}}, Effect="Deny")),
        "wildcard-under-equals",
        f'$.Statement[1].Condition.StringEquals["{SUB}"]',
        "never matches",
    ),
    "StringEquals and StringLike on the same sub": one(
        document(statement(EXACT | {"StringLike": {SUB: "system:serviceaccount:shop:*"}})),
        "equals-and-like",
        LIKE_SUB,
        "the pattern adds nobody",
    ),
    "no condition on sub": one(
        document(statement({"StringEquals": {AUD: STS}})), "no-sub", S, "every pod of the cluster may assume the role"
    ),
    "no condition on aud": one(document(statement({"StringEquals": {SUB: REPORTS}})), "no-aud", S, "other audiences"),
    "no condition at all": Mistake(document(statement()), (("no-sub", S, "every pod"), ("no-aud", S, "token's aud"))),
    "only Null on sub": one(
        document(statement({"StringEquals": {AUD: STS}, "Null": {SUB: "false"}})), "no-sub", S, "every pod"
    ),
    "a key of another issuer": Mistake(
        document(statement({"StringEquals": {"oidc.example.com/c2:sub": REPORTS, "oidc.example.com/c2:aud": STS}})),
        (
            ("key-prefix", key("StringEquals", "oidc.example.com/c2:sub"), "another provider"),
            ("key-prefix", key("StringEquals", "oidc.example.com/c2:aud"), "another provider"),
        ),
    ),
    "a slash in the key": one(
        document(statement({"StringEquals": {"oidc.example.com/c1/:sub": REPORTS, AUD: STS}})),
        "trailing-slash",
        key("StringEquals", "oidc.example.com/c1/:sub"),
        "slash before the colon",
    ),
    "a scheme in the key": one(
        document(statement({"StringEquals": {f"https://{SUB}": REPORTS, AUD: STS}})),
        "key-scheme",
        key("StringEquals", f"https://{SUB}"),
        "has a scheme",
    ),
    "an operator for ARNs on sub": one(
        comparing("ArnLike", "system:serviceaccount:shop:*"), "operator-type", key("ArnLike", SUB), "but sub is text"
    ),
    "an operator for numbers on aud": one(
        document(statement({"StringEquals": {SUB: REPORTS}, "NumericEquals": {AUD: "1"}})),
        "operator-type",
        key("NumericEquals", AUD),
        "but aud is text",
    ),
    "a negated operator for ARNs on sub": Mistake(
        comparing("ArnNotLike", "system:serviceaccount:shop:*"),
        (
            ("negated", key("ArnNotLike", SUB), "it does not name"),
            ("operator-type", key("ArnNotLike", SUB), "but sub is text"),
        ),
    ),
    "a claim that is no key": one(
        document(statement({"StringEquals": {**EXACT["StringEquals"], PROVIDER.key("iss"): "x"}})),
        "unknown-claim",
        key("StringEquals", PROVIDER.key("iss")),
        "sub, aud, azp, amr",
    ),
    "ForAllValues on sub": one(
        comparing("ForAllValues:StringEquals", REPORTS),
        "for-all-values",
        key("ForAllValues:StringEquals", SUB),
        "true if the token lacks the key",
    ),
    "ForAllValues on aud": one(
        document(statement({"StringEquals": {SUB: REPORTS}, "ForAllValues:StringEquals": {AUD: STS}})),
        "for-all-values",
        key("ForAllValues:StringEquals", AUD),
        "true if the token lacks the key",
    ),
    "a negated operator on sub": one(
        comparing("StringNotEquals", REPORTS), "negated", key("StringNotEquals", SUB), "whose sub it does not name"
    ),
    "a negated operator on aud": one(
        document(statement({"StringEquals": {SUB: REPORTS}, "StringNotLike": {AUD: "x*"}})),
        "negated",
        key("StringNotLike", AUD),
        "whose aud it does not name",
    ),
    "IfExists on sub": one(
        comparing("StringEqualsIfExists", REPORTS), "if-exists", key("StringEqualsIfExists", SUB), "IfExists"
    ),
    "an operator that does not exist": one(
        comparing("stringEquals", REPORTS),
        "unknown-operator",
        key("stringEquals", SUB),
        "'stringEquals' is no operator",
    ),
    "a set operator that does not exist": one(
        comparing("ForEachValue:StringEquals", REPORTS),
        "unknown-operator",
        key("ForEachValue:StringEquals", SUB),
        "'ForEachValue' is no set operator",
    ),
    "both wildcards": one(comparing("StringLike", "system:serviceaccount:*:*"), "every-subject", LIKE_SUB, "every pod"),
    "everything as sub": one(comparing("StringLike", "*"), "every-subject", LIKE_SUB, "every pod of the cluster"),
    "one wildcard for both": one(
        comparing("StringLike", "system:serviceaccount:*"), "every-subject", LIKE_SUB, "every pod of the cluster"
    ),
    "a name in every namespace": one(
        comparing("StringLike", "system:serviceaccount:*:reports"), "wildcard-namespace", LIKE_SUB, "several namespaces"
    ),
    "a namespace with a question mark": one(
        comparing("StringLike", "system:serviceaccount:sho?:reports"), "wildcard-namespace", LIKE_SUB, "several"
    ),
    "a namespace without its colon": one(
        comparing("StringLike", "system:serviceaccount:shop*"), "wildcard-namespace", LIKE_SUB, "several namespaces"
    ),
    "everything as aud": one(
        document(statement({"StringEquals": {SUB: REPORTS}, "StringLike": {AUD: "*"}})),
        "any-aud",
        key("StringLike", AUD),
        "every audience",
    ),
    "a sub without its prefix": one(
        comparing("StringEquals", "shop/reports"), "impossible-sub", EQUALS_SUB, "begins with system:serviceaccount:"
    ),
    "a sub of serviceaccounts": one(
        comparing("StringEquals", "system:serviceaccounts:shop:reports"), "impossible-sub", EQUALS_SUB, "begins with"
    ),
    "a sub without a name": one(
        comparing("StringEquals", "system:serviceaccount:shop"), "impossible-sub", EQUALS_SUB, "NAMESPACE:NAME"
    ),
    "a sub with a capital": one(
        comparing("StringEquals", "system:serviceaccount:Shop:reports"),
        "impossible-sub",
        EQUALS_SUB,
        "'Shop' is no name of a namespace",
    ),
    "a sub with an underscore": one(
        comparing("StringEquals", "system:serviceaccount:shop:my_app"),
        "impossible-sub",
        EQUALS_SUB,
        "'my_app' is no name of a ServiceAccount",
    ),
    "a pattern that nobody has": one(
        comparing("StringLike", "system:serviceaccount:shop:Rep*"), "impossible-sub", LIKE_SUB, "'Rep'"
    ),
    "a pattern of another kind": one(comparing("StringLike", "repo:org/*"), "impossible-sub", LIKE_SUB, "begins with"),
    "an exact sub under StringLike that nobody has": one(
        comparing("StringLike", "shop:reports"), "impossible-sub", LIKE_SUB, "begins with"
    ),
    "a variable without the version of 2012": one(
        document(
            statement({"StringLike": {SUB: "system:serviceaccount:${aws:x}:web"}, "StringEquals": {AUD: STS}}),
            version="2008-10-17",
        ),
        "variable-version",
        LIKE_SUB,
        "plain text",
    ),
}

PRINCIPALS = {
    "an account that is not 12 digits": one(
        federated(ARN.replace("111122223333", "1111222233")), "provider-arn", FED, "not 12 digits"
    ),
    "a scheme in the ARN": one(federated(ARN.replace("oidc.", "https://oidc.")), "provider-arn", FED, "scheme"),
    "a slash at the ARN's end": one(federated(f"{ARN}/"), "trailing-slash", FED, "ends with a slash"),
    "a host instead of an ARN": one(federated("oidc.example.com"), "provider-arn", FED, "no ARN of an OIDC provider"),
    "a wildcard in the ARN": one(
        federated(ARN.replace("111122223333", "*")), "principal-wildcard", FED, "matches nothing"
    ),
    "a provider under AWS": one(
        federated(ARN, "AWS"), "principal-kind", f"{S}.Principal.AWS", "under AWS, where it matches nothing"
    ),
    "everyone": one(document(statement(EXACT, Principal="*")), "everyone", f"{S}.Principal", "lets everyone in"),
    "every federated identity": one(federated("*"), "everyone", FED, "lets everyone in"),
    "a provider in another account than the role": one(
        {"Role": {"Arn": "arn:aws:iam::444455556666:role/x", "AssumeRolePolicyDocument": document(statement(EXACT))}},
        "provider-account",
        "$.Role.AssumeRolePolicyDocument.Statement[0].Principal.Federated",
        "the role is in 444455556666",
    ),
    "providers in two accounts": one(
        document(
            statement(EXACT),
            statement(EXACT, Principal={"Federated": ARN.replace("111122223333", "444455556666")}),
        ),
        "provider-account",
        "$.Statement[1].Principal.Federated",
        f"in account 444455556666, and {FED} is one in 111122223333",
    ),
    "two clusters in one statement": one(
        document(
            statement(
                {"StringEquals": {**EXACT["StringEquals"], "b.example.com:sub": REPORTS, "b.example.com:aud": STS}},
                Principal={"Federated": [ARN, "arn:aws:iam::111122223333:oidc-provider/b.example.com"]},
            )
        ),
        "several-providers",
        S,
        "its own provider only",
    ),
}

ACTIONS = {
    "sts:AssumeRole": one(
        document(statement(EXACT, Action="sts:AssumeRole")), "assume-role", f"{S}.Action", "for AWS principals"
    ),
    "sts:AssumeRole beside the right action": one(
        document(statement(EXACT, Action=["sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"])),
        "assume-role",
        f"{S}.Action[1]",
        "for AWS principals",
    ),
    "sts:AssumeRole without conditions, which lets nobody in": one(
        document(statement(Action="sts:AssumeRole")), "assume-role", f"{S}.Action", "for AWS principals"
    ),
    "another action": one(
        document(statement(EXACT, Action="sts:TagSession")), "action", f"{S}.Action", "does not name"
    ),
    "every action": one(
        document(statement(EXACT, Action="sts:*")), "action-wildcard", f"{S}.Action", "more than a token"
    ),
    "NotAction": one(
        document(statement(EXACT, Action=None, NotAction="sts:AssumeRole")),
        "not-action",
        f"{S}.NotAction",
        "every action",
    ),
}

DOCUMENTS = {
    "NotPrincipal": one(
        document(statement(EXACT, Principal=None, NotPrincipal={"AWS": ARN})),
        "not-principal",
        f"{S}.NotPrincipal",
        "not allowed",
    ),
    "Resource": one(document(statement(EXACT, Resource="*")), "resource", f"{S}.Resource", "not allowed"),
    "a statement that is text": one(document("x"), "malformed", S, "a string instead of a statement"),
    "no statement": one({"Version": "2012-10-17"}, "malformed", "$.Statement", "is missing"),
    "an unknown version": one(document(statement(EXACT), version="2012-10-18"), "malformed", "$.Version", "no version"),
    "an effect in small letters": one(
        document(statement(EXACT, Effect="allow")), "malformed", f"{S}.Effect", "is 'allow'"
    ),
    "no effect": one(document(statement(EXACT, Effect=None)), "malformed", f"{S}.Effect", "is missing"),
    "no action": one(document(statement(EXACT, Action=None)), "malformed", S, "neither Action nor NotAction"),
    "a number as sub's list": one(
        document(statement({"StringEquals": {SUB: [{"a": 1}, REPORTS], AUD: STS}})),
        "malformed",
        f"{EQUALS_SUB}[0]",
        "an object",
    ),
    "a Sid twice": one(
        document(statement(EXACT, Sid="A"), statement(EXACT, Sid="A")),
        "malformed",
        "$.Statement[1].Sid",
        "occurs twice",
    ),
    "a key in two letter cases": one(
        document(statement({"StringEquals": {SUB: REPORTS, SUB.upper(): REPORTS, AUD: STS}})),
        "duplicate-key",
        key("StringEquals", SUB.upper()),
        "names ignore case",
    ),
    "a key twice": one(
        f'{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Federated":"{ARN}"}},'
        f'"Action":"sts:AssumeRoleWithWebIdentity","Condition":{{"StringEquals":{{"{AUD}":"{STS}","{SUB}":"{REPORTS}"}},'
        f'"StringEquals":{{"{AUD}":"{STS}","{SUB}":"{REPORTS}"}}}}}}]}}',
        "duplicate-key",
        f"{S}.Condition.StringEquals",
        "occurs twice",
    ),
    "over the default quota": one(
        comparing("StringEquals", [f"system:serviceaccount:shop:app-{index}" for index in range(60)]),
        "size",
        "$",
        "the default quota is 2,048",
    ),
    "over the largest quota": one(
        comparing("StringEquals", [f"system:serviceaccount:shop:app-{index}" for index in range(120)]),
        "size",
        "$",
        "IAM accepts 4,096 at most",
    ),
    "EKS Pod Identity": one(document(POD_IDENTITY), "pod-identity", "$", "is a policy of EKS Pod Identity"),
    "EKS Pod Identity without tags": Mistake(
        document({**POD_IDENTITY, "Action": "sts:AssumeRole"}),
        (("pod-identity", "$", "EKS Pod Identity"), ("pod-identity-action", f"{S}.Action", "lacks sts:TagSession")),
    ),
    "a role of EC2": one(
        document(statement(Principal={"Service": "ec2.amazonaws.com"}, Action="sts:AssumeRole")),
        "no-web-identity",
        "$",
        "lets no token of an OIDC provider assume the role",
    ),
}

MISTAKES = {**CONDITIONS, **PRINCIPALS, **ACTIONS, **DOCUMENTS}
