"""Settings: their defaults are those of the flags, and one error names all problems."""

import dataclasses

import pytest

from webhook.admission.settings import Settings, partition_of
from webhook.errors import SettingsError


def test_the_defaults_are_the_flags() -> None:
    flags = {field.name: getattr(Settings(), field.name) for field in dataclasses.fields(Settings) if field.init}
    assert flags == {
        "annotation_prefix": "eks.amazonaws.com",
        "token_audience": "sts.amazonaws.com",
        "token_expiration": 86400,
        "token_mount_path": "/var/run/secrets/eks.amazonaws.com/serviceaccount",
        "aws_default_region": "",
        "sts_regional_endpoint": False,
        "invalid_role_arn": "inject",
        "compose_role_arn": False,
        "aws_account_id": "",
        "aws_partition": "",
        "container_credentials_audience": "pods.eks.amazonaws.com",
        "container_credentials_token_mount_path": "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
        "container_credentials_token_volume_name": "eks-pod-identity-token",
        "container_credentials_token_path": "eks-pod-identity-token",
        "container_credentials_full_uri": "http://169.254.170.23/v1/credentials",
    }


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(
            annotation_prefix="EKS/",
            token_audience="",
            token_expiration=2**32 + 1,
            token_mount_path="relative",
            aws_default_region="Frankfurt am Main",
            invalid_role_arn="deny",
            aws_account_id="123",
            aws_partition="gcp",
            container_credentials_audience="a b",
            container_credentials_token_mount_path="/c:/x",
            container_credentials_token_volume_name="Creds",
            container_credentials_token_path="../token",
            container_credentials_full_uri="http://ä",
        )
    assert caught.value.problems == [
        "--annotation-prefix: 'EKS/' is not a DNS name such as eks.amazonaws.com",
        "--token-audience: '' is empty or has characters that are not printable ASCII",
        "--container-credentials-audience: 'a b' is empty or has characters that are not printable ASCII",
        "--container-credentials-full-uri: 'http://ä' is empty or has characters that are not printable ASCII",
        "--token-mount-path: 'relative' is not an absolute path without ':'",
        "--container-credentials-token-mount-path: '/c:/x' is not an absolute path without ':'",
        "--container-credentials-token-volume-name: 'Creds' is not a volume name (DNS label)",
        "--container-credentials-token-path: '../token' is not a relative path without '..'",
        "--token-expiration: 4294967297 is more than Kubernetes takes (4294967296)",
        "--aws-default-region: 'Frankfurt am Main' is not a region such as eu-central-1",
        "--invalid-role-arn: 'deny' is neither 'inject' nor 'skip'",
        "--aws-account-id: '123' is not 12 digits",
        "--aws-partition: 'gcp' is not a partition such as aws or aws-cn",
    ]
    assert str(caught.value) == "; ".join(caught.value.problems)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aws_account_id", "\u0661" * 12),
        ("aws_account_id", "111122223333\n"),
        ("aws_default_region", "eu-central-1\n"),
        ("container_credentials_token_path", "/absolute"),
        ("container_credentials_token_path", ""),
        ("container_credentials_token_path", "a//b"),
        ("container_credentials_token_volume_name", ""),
        ("annotation_prefix", ""),
        ("token_mount_path", "/a b"),
    ],
)
def test_one_problem_alone_is_named_too(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**{name: value})  # type: ignore[arg-type]
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["--" + name.replace("_", "-")]


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-central-1", "aws"),
        ("us-east-1", "aws"),
        ("us-west-2", "aws"),
        ("", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
        ("ca-central-1", "aws"),
    ],
)
def test_a_region_lies_in_the_partition_of_its_prefix(region: str, partition: str) -> None:
    assert partition_of(region) == partition
