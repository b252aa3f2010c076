"""What `doctor` keeps of what it reads in a container."""

from webhook.commands.doctor.gathering.in_pod import variables_of


def test_of_the_variables_it_keeps_those_that_sdks_read_without_the_values_of_keys() -> None:
    environ = b"\0".join(
        [
            b"PATH=/bin",
            b"DATABASE_PASSWORD=hunter2",
            b"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
            b"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI",
            b"AWS_SESSION_TOKEN=FwoGZXIvYXdzE",
            b"AWS_ROLE_ARN=arn:a=b\xff",
            b"AWS_ACCESS_KEY=",
            b"AWS_REGION",
            b"",
        ]
    )

    assert variables_of(environ) == {
        "AWS_ACCESS_KEY_ID": "set",
        "AWS_ROLE_ARN": "arn:a=b\N{REPLACEMENT CHARACTER}",
        "AWS_ACCESS_KEY": "",
    }
