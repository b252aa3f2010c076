"""Policies in which the lint finds nothing."""

from tests.issuer.trust_policy.lint_cases import POD_IDENTITY, comparing
from tests.issuer.trust_policy.policies import AUD, EXACT, PROVIDER, REPORTS, STS, SUB, document, statement

GOOD = {
    "exact": document(statement(EXACT)),
    "a list of subjects": comparing("StringEquals", [REPORTS, "system:serviceaccount:shop:web"]),
    "all of a namespace": comparing("StringLike", "system:serviceaccount:shop:*"),
    "a part of a namespace": comparing("StringLike", "system:serviceaccount:shop:report-*"),
    "an exact subject under StringLike": comparing("StringLike", REPORTS),
    "keys in capitals": document(statement({"StringEquals": {SUB.upper(): REPORTS, AUD.upper(): STS}})),
    "tags beside it": document(
        statement(EXACT, Action=["sts:AssumeRoleWithWebIdentity", "sts:TagSession"], Sid="Tags1")
    ),
    "further conditions": document(
        statement(
            EXACT | {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "StringLike": {"sts:RoleSessionName": "a*"}}
        )
    ),
    "a pattern in a statement of its own": document(
        statement(EXACT), statement({"StringLike": {SUB: "system:serviceaccount:jobs:*"}, "StringEquals": {AUD: STS}})
    ),
    "a Deny that names few": document(
        statement(EXACT), statement({"StringNotEquals": {SUB: REPORTS}}, Effect="Deny", Principal="*", Action="sts:*")
    ),
    "EKS Pod Identity beside it": document(statement(EXACT), POD_IDENTITY),
    "people beside it": document(
        statement(EXACT), statement(Principal={"AWS": "arn:aws:iam::111122223333:root"}, Action="sts:AssumeRole")
    ),
    "people in the same statement": document(
        statement(
            EXACT,
            Principal={"Federated": str(PROVIDER), "AWS": "arn:aws:iam::111122223333:root"},
            Action=["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"],
        )
    ),
    "GitHub beside it": document(
        statement(EXACT),
        statement(
            {
                "StringLike": {"token.actions.githubusercontent.com:sub": "repo:shop/app:*"},
                "StringEquals": {"token.actions.githubusercontent.com:aud": STS},
            },
            Principal={"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"},
        ),
    ),
    "SAML beside it": document(
        statement(EXACT),
        statement(
            Principal={"Federated": "arn:aws:iam::111122223333:saml-provider/x"}, Action="sts:AssumeRoleWithSAML"
        ),
    ),
    "EKS": document(
        statement(
            {
                "StringEquals": {
                    "oidc.eks.eu-west-1.amazonaws.com/id/ABC:sub": REPORTS,
                    "oidc.eks.eu-west-1.amazonaws.com/id/ABC:aud": STS,
                }
            },
            Principal={
                "Federated": "arn:aws-us-gov:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC"
            },
        )
    ),
    "the role's own account": {
        "Role": {"Arn": "arn:aws:iam::111122223333:role/x", "AssumeRolePolicyDocument": document(statement(EXACT))}
    },
}
