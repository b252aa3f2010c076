"""The steps of `doctor`, in their order: names, titles, and the sections of the page about their failures."""

from typing import Final

from webhook.diagnosis.doctor.step import Question

ACCOUNT: Final = Question(
    "service-account", "The ServiceAccount has a well-formed role", "the-serviceaccount-has-no-usable-role"
)
CONFIGURATION: Final = Question("configuration", "The webhook is registered", "the-webhook-is-not-registered")
CALLED: Final = Question(
    "called", "The API server calls the webhook for such pods", "the-api-server-does-not-call-the-webhook"
)
ENTRIES: Final = Question("entries", "Its entries cover every kind of pod", "the-webhook-is-not-registered")
NAMESPACES: Final = Question(
    "namespaces", "It is called wherever a ServiceAccount has a role", "the-api-server-does-not-call-the-webhook"
)
OTHER_WEBHOOKS: Final = Question(
    "other-webhooks", "Containers that other webhooks add get the role too", "another-webhook-changes-the-pod"
)
ENDPOINTS: Final = Question(
    "endpoints", "The webhook's Service has ready endpoints", "no-endpoints-available-for-service"
)
CERTIFICATE: Final = Question(
    "certificate", "The caBundle verifies the served certificate", "x509-certificate-signed-by-unknown-authority"
)
VERSION: Final = Question("version", "This command and the replicas have one version", "different-versions")
RIGHTS: Final = Question("rights", "The webhook has its rights", "the-webhook-lacks-a-right")
CACHE: Final = Question("cache", "The webhook's view of the cluster is fresh", "the-webhooks-view-is-old")
DRY_RUN: Final = Question("dry-run", "A new pod comes back with the role (dry run)", "no-aws_role_arn")
TOKEN: Final = Question(
    "token", "The cluster issues a token for it", "mountvolumesetup-failed-for-volume-aws-iam-token"
)
ISSUER: Final = Question("issuer", "The token's issuer is the published one", "no-openidconnect-provider-found")
DISCOVERY: Final = Question("discovery", "Anyone can read the discovery document", "couldnt-retrieve-verification-key")
KEYS: Final = Question("keys", "The published keys verify the token", "couldnt-retrieve-verification-key")
PROVIDER: Final = Question("provider", "IAM has a provider for this issuer", "no-openidconnect-provider-found")
AUDIENCE: Final = Question("audience", "The token's audience is the provider's", "incorrect-token-audience")
TRUST: Final = Question("trust-policy", "The role's trust policy allows it", "accessdenied")
VARIABLES: Final = Question("pod-variables", "The SDK in the pod uses the role", "no-aws_role_arn")
VOLUME: Final = Question(
    "pod-volume", "The pod has the token's volume, for the right audience", "no-such-file-or-directory-token"
)
MOUNT: Final = Question("pod-mount", "The containers see the token", "no-such-file-or-directory-token")
REGION: Final = Question("pod-region", "The containers have a region", "you-must-specify-a-region")
POD_TOKEN: Final = Question("pod-token", "The pod's token has not expired", "expiredtokenexception")
ASSUME: Final = Question("assume-role", "STS gives the role (real call)", "accessdenied")

INSTALLATION_STEPS: Final = (
    CONFIGURATION, ENTRIES, NAMESPACES, OTHER_WEBHOOKS, CERTIFICATE, ENDPOINTS, VERSION, RIGHTS, CACHE, DRY_RUN, TOKEN,
    ISSUER,
)  # fmt: skip
ACCOUNT_STEPS: Final = (
    ACCOUNT, CONFIGURATION, CERTIFICATE, ENDPOINTS, CALLED, DRY_RUN, TOKEN, ISSUER, DISCOVERY, KEYS, PROVIDER, AUDIENCE,
    TRUST,
)  # fmt: skip
POD_STEPS: Final = (VARIABLES, VOLUME, MOUNT, REGION, POD_TOKEN)
ALL_STEPS: Final = tuple(dict.fromkeys((*INSTALLATION_STEPS, *ACCOUNT_STEPS, *POD_STEPS, ASSUME)))
