import pytest

from webhook.diagnosis.doctor.questions import ALL_STEPS
from webhook.diagnosis.doctor.symptoms import symptom_of

_OPERATION = "when calling the AssumeRoleWithWebIdentity operation:"
_INVALID = f"An error occurred (InvalidIdentityToken) {_OPERATION}"


@pytest.mark.parametrize(
    ("text", "step"),
    [
        (
            f"An error occurred (AccessDenied) {_OPERATION} Not authorized to perform sts:AssumeRoleWithWebIdentity",
            "trust-policy",
        ),
        (f"{_INVALID} No OpenIDConnect provider found in your account", "provider"),
        (f"{_INVALID} Couldn't retrieve verification key from", "keys"),
        ('Unable to locate credentials. You can configure credentials by running "aws configure".', "pod-variables"),
        (f"{_INVALID} Incorrect token audience", "audience"),
        ('"Arn": "arn:aws:sts::111122223333:assumed-role/nodes/i-0123456789abcdef0"', "pod-variables"),
        ("You must specify a region. You can also configure your region", "pod-region"),
        (
            "[Errno 2] No such file or directory: '/var/run/secrets/eks.amazonaws.com/serviceaccount/token'",
            "pod-volume",
        ),
        (f"An error occurred (ExpiredTokenException) {_OPERATION} Token expired: current date/time", "pod-token"),
        (f"An error occurred (IDPCommunicationError) {_OPERATION} …", "discovery"),
        ('failed calling webhook "a": Post "b": x509: certificate signed by unknown authority', "certificate"),
        ('failed calling webhook "a": Post "b": no endpoints available for service "c"', "endpoints"),
        ('MountVolume.SetUp failed for volume "aws-iam-token" : failed to fetch token', "token"),
        ('admission webhook "a" denied the request: pod-identity-webhook: …', "dry-run"),
    ],
)
def test_an_error_points_to_a_step(text: str, step: str) -> None:
    symptom = symptom_of(text)

    assert symptom is not None
    assert symptom.step == step
    assert symptom.step in {question.name for question in ALL_STEPS}


@pytest.mark.parametrize(
    ("text", "anchor"),
    [
        (
            'failed calling webhook "a": Post "b": dial tcp 10.0.0.1:443: connect: connection refused',
            "connection-refused",
        ),
        ('failed calling webhook "a": Post "b": EOF', "eof"),
        ('failed calling webhook "a": Post "b": context deadline exceeded', "context-deadline-exceeded"),
        ('failed calling webhook "a": Post "b": no endpoints available', "no-endpoints-available-for-service"),
    ],
)
def test_an_error_of_a_call_has_the_section_of_its_own_words(text: str, anchor: str) -> None:
    symptom = symptom_of(text)

    assert symptom is not None
    assert symptom.anchor == anchor


def test_an_unknown_error_points_nowhere() -> None:
    assert symptom_of("segmentation fault") is None
