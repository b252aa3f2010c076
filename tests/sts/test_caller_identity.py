"""GetCallerIdentity, asked by botocore: it signs as every AWS SDK does."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.exceptions
import botocore.session
import pytest

from tests.sts.requests import ask, assume
from tests.sts.server import Sts


def _ask(sts: Sts, credentials: Mapping[str, str]) -> Any:
    client = botocore.session.get_session().create_client(
        "sts",
        region_name="eu-central-1",
        endpoint_url=sts.url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    return client.get_caller_identity()


def test_the_session_is_told_whose_it_is(sts: Sts) -> None:
    given = assume(sts).texts

    told = _ask(sts, given)

    assert {name: told[name] for name in ("Account", "Arn", "UserId")} == {
        "Account": "111122223333",
        "Arn": "arn:aws:sts::111122223333:assumed-role/s3-reader/web-1",
        "UserId": given["AssumedRoleId"],
    }
    assert [(call.action, call.signed_by, call.code) for call in sts.calls[1:]] == [
        ("GetCallerIdentity", given["AccessKeyId"], "")
    ]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"AccessKeyId": "ASIA0000000000000000"}, "InvalidClientTokenId"),
        ({"SessionToken": "other"}, "InvalidClientTokenId"),
        ({"SecretAccessKey": "other"}, "SignatureDoesNotMatch"),
    ],
    ids=["an unknown access key", "another session token", "another secret key"],
)
def test_other_credentials_are_refused(sts: Sts, changed: dict[str, str], code: str) -> None:
    given = assume(sts).texts

    with pytest.raises(botocore.exceptions.ClientError) as error:
        _ask(sts, {**given, **changed})

    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert sts.calls[-1].code == code


def test_a_session_ends(sts: Sts) -> None:
    sts.clock.stop_at(datetime.now(UTC))
    given = assume(sts).texts
    sts.clock.advance(timedelta(minutes=59, seconds=59))
    assert _ask(sts, given)
    sts.clock.advance(timedelta(seconds=1))

    with pytest.raises(botocore.exceptions.ClientError) as error:
        _ask(sts, given)

    assert error.value.response["Error"]["Code"] == "ExpiredToken"


def test_an_unsigned_request_is_refused(sts: Sts) -> None:
    refusal = ask(sts, {"Action": "GetCallerIdentity", "Version": "2011-06-15"}).refusal

    assert refusal == (403, "MissingAuthenticationToken", "Request is missing Authentication Token")
