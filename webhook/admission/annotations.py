"""Every annotation, label, variable and path name that admission reads or writes, once."""

# Below the annotation prefix, on ServiceAccounts and Pods.
ROLE_ARN = "role-arn"
AUDIENCE = "audience"
STS_REGIONAL_ENDPOINTS = "sts-regional-endpoints"
TOKEN_EXPIRATION = "token-expiration"
SKIP_CONTAINERS = "skip-containers"
ONLY_CONTAINERS = "only-containers"
ROLE_SESSION_NAME = "role-session-name"

POD_ANNOTATIONS = (TOKEN_EXPIRATION, SKIP_CONTAINERS, ONLY_CONTAINERS, ROLE_SESSION_NAME)
SERVICE_ACCOUNT_ANNOTATIONS = (ROLE_ARN, AUDIENCE, STS_REGIONAL_ENDPOINTS, *POD_ANNOTATIONS)

# What kubelet puts on the mirror of a static pod, which runs whether it is admitted or not.
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"

# Below the annotation prefix, Pod labels; the second is one of Namespaces too.
SKIP_LABEL = "skip-pod-identity-webhook"
REQUIRE_LABEL = "require-pod-identity"

# Not below the prefix: the agent that serves container credentials looks for this one.
CONTAINER_CREDENTIALS_LABEL = "eks.amazonaws.com/pod-identity"
CONTAINER_CREDENTIALS_LABEL_VALUE = "enabled"

# Variables of the AWS SDKs.
ENV_STS_REGIONAL_ENDPOINTS = "AWS_STS_REGIONAL_ENDPOINTS"
ENV_DEFAULT_REGION = "AWS_DEFAULT_REGION"
ENV_REGION = "AWS_REGION"
ENV_ROLE_ARN = "AWS_ROLE_ARN"
ENV_TOKEN_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"
ENV_ROLE_SESSION_NAME = "AWS_ROLE_SESSION_NAME"
ENV_CONTAINER_CREDENTIALS_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
ENV_CONTAINER_CREDENTIALS_TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"

OUR_VARIABLES = frozenset(
    {
        ENV_STS_REGIONAL_ENDPOINTS,
        ENV_DEFAULT_REGION,
        ENV_REGION,
        ENV_ROLE_ARN,
        ENV_TOKEN_FILE,
        ENV_ROLE_SESSION_NAME,
        ENV_CONTAINER_CREDENTIALS_URI,
        ENV_CONTAINER_CREDENTIALS_TOKEN_FILE,
    }
)

TOKEN_VOLUME_NAME = "aws-iam-token"
TOKEN_PATH = "token"

WINDOWS_NODE_SELECTORS = ("kubernetes.io/os", "beta.kubernetes.io/os")
