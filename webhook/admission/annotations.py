"""The single list of the annotations, labels, variables and path names that admission reads or writes."""

# Annotations with our prefix, on ServiceAccounts and Pods.
ROLE_ARN = "role-arn"
AUDIENCE = "audience"
STS_REGIONAL_ENDPOINTS = "sts-regional-endpoints"
TOKEN_EXPIRATION = "token-expiration"
SKIP_CONTAINERS = "skip-containers"
ONLY_CONTAINERS = "only-containers"
ROLE_SESSION_NAME = "role-session-name"

POD_ANNOTATIONS = (TOKEN_EXPIRATION, SKIP_CONTAINERS, ONLY_CONTAINERS, ROLE_SESSION_NAME)
# These have no effect on Pods.
ONLY_OF_SERVICE_ACCOUNTS = (ROLE_ARN, AUDIENCE, STS_REGIONAL_ENDPOINTS)
SERVICE_ACCOUNT_ANNOTATIONS = (*ONLY_OF_SERVICE_ACCOUNTS, *POD_ANNOTATIONS)

# Kubelet sets it on the mirror pod of a static pod. Kubelet runs the static pod even if we refuse its mirror.
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"

# Pod labels with our prefix. REQUIRE_LABEL is also a Namespace label.
SKIP_LABEL = "skip-pod-identity-webhook"
REQUIRE_LABEL = "require-pod-identity"

# --annotation-prefix does not change it: the agent that serves container credentials looks for this exact label.
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
# Only the SDK for Go reads AWS_ACCESS_KEY.
ENV_STATIC_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
ENV_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
ENV_SHARED_FILES = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")

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

# The variables that decide which credentials an SDK uses, and all that we set.
READ_VARIABLES = OUR_VARIABLES.union(
    ENV_STATIC_KEYS, ENV_PROFILES, ENV_SHARED_FILES, {ENV_CONTAINER_CREDENTIALS_RELATIVE_URI}
)

TOKEN_VOLUME_NAME = "aws-iam-token"
TOKEN_PATH = "token"

WINDOWS_NODE_SELECTORS = ("kubernetes.io/os", "beta.kubernetes.io/os")
