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
# On Pods they have no effect.
ONLY_OF_SERVICE_ACCOUNTS = (ROLE_ARN, AUDIENCE, STS_REGIONAL_ENDPOINTS)
SERVICE_ACCOUNT_ANNOTATIONS = (*ONLY_OF_SERVICE_ACCOUNTS, *POD_ANNOTATIONS)

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
ENV_CONTAINER_CREDENTIALS_RELATIVE_URI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
ENV_CONTAINER_CREDENTIALS_TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
# The second is one of the SDK for Go alone.
ENV_STATIC_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
ENV_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
ENV_SHARED_FILES = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")

# What we set.
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

# All that decides which credentials an SDK uses, and what we set beside it.
READ_VARIABLES = OUR_VARIABLES.union(
    ENV_STATIC_KEYS, ENV_PROFILES, ENV_SHARED_FILES, {ENV_CONTAINER_CREDENTIALS_RELATIVE_URI}
)

TOKEN_VOLUME_NAME = "aws-iam-token"
TOKEN_PATH = "token"

WINDOWS_NODE_SELECTORS = ("kubernetes.io/os", "beta.kubernetes.io/os")
