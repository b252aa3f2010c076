"""The steps of `doctor`, in their order: names, titles, and the sections of the page about their failures."""

from typing import Final

from webhook.diagnosis.doctor import sections
from webhook.diagnosis.doctor.step import Question

ACCOUNT: Final = Question("service-account", "The ServiceAccount has a well-formed role", sections.NO_USABLE_ROLE)
CONFIGURATION: Final = Question("configuration", "The webhook is registered", sections.NOT_REGISTERED)
CALLED: Final = Question("called", "The API server calls the webhook for such pods", sections.NOT_CALLED)
ENTRIES: Final = Question("entries", "Its entries cover every kind of pod", sections.NOT_REGISTERED)
NAMESPACES: Final = Question("namespaces", "It is called wherever a ServiceAccount has a role", sections.NOT_CALLED)
OTHER_WEBHOOKS: Final = Question(
    "other-webhooks", "Containers that other webhooks add get the role too", sections.CHANGED_BY_ANOTHER
)
ENDPOINTS: Final = Question("endpoints", "The webhook's Service has ready endpoints", sections.NO_ENDPOINTS)
CERTIFICATE: Final = Question("certificate", "The caBundle verifies the served certificate", sections.UNKNOWN_AUTHORITY)
VERSION: Final = Question("version", "This command and the replicas have one version", sections.DIFFERENT_VERSIONS)
RIGHTS: Final = Question("rights", "The webhook has its rights", sections.MISSING_RIGHT)
CACHE: Final = Question("cache", "The webhook's view of the cluster is fresh", sections.OLD_VIEW)
DRY_RUN: Final = Question("dry-run", "A new pod comes back with the role (dry run)", sections.NO_ROLE_ARN)
TOKEN: Final = Question("token", "The cluster issues a token for it", sections.MOUNT_FAILED)
ISSUER: Final = Question("issuer", "The token's issuer is the published one", sections.NO_PROVIDER)
DISCOVERY: Final = Question("discovery", "Anyone can read the discovery document", sections.NO_KEY)
KEYS: Final = Question("keys", "The published keys verify the token", sections.NO_KEY)
PROVIDER: Final = Question("provider", "IAM has a provider for this issuer", sections.NO_PROVIDER)
AUDIENCE: Final = Question("audience", "The token's audience is the provider's", sections.WRONG_AUDIENCE)
TRUST: Final = Question("trust-policy", "The role's trust policy allows it", sections.ACCESS_DENIED)
VARIABLES: Final = Question("pod-variables", "The SDK in the pod uses the role", sections.NO_ROLE_ARN)
VOLUME: Final = Question("pod-volume", "The pod has the token's volume, for the right audience", sections.NO_TOKEN_FILE)
MOUNT: Final = Question("pod-mount", "The containers see the token", sections.NO_TOKEN_FILE)
REGION: Final = Question("pod-region", "The containers have a region", sections.NO_REGION)
POD_TOKEN: Final = Question("pod-token", "The pod's token has not expired", sections.EXPIRED_TOKEN)
ASSUME: Final = Question("assume-role", "STS gives the role (real call)", sections.ACCESS_DENIED)

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
