"""The issuer URLs that are rendered, and those that are refused."""

import pytest

from webhook.issuer.rendered_issuer import issuer_notes, issuer_problems

SERVE_HTTPS = "Serve the issuer with HTTPS, and set --service-account-issuer to a URL that begins with https://."
REMOVE = "Remove that part from --service-account-issuer."
SMALL = "the host must be in small letters: IAM and tokens carry it to the letter"
REFUSED = {
    "http": ("http://a.example.com", f"it begins with 'http://'. {SERVE_HTTPS}"),
    "capitals in the scheme": ("HTTPS://a.example.com", f"it begins with 'HTTPS://'. {SERVE_HTTPS}"),
    "no scheme": ("a.example.com", "'a.example.com' is not a URL. Give the issuer as https://HOST/PATH."),
    "a query": ("https://a.example.com/?b", f"it has a query. {REMOVE}"),
    "an empty query": ("https://a.example.com?", f"it has a query. {REMOVE}"),
    "a fragment": ("https://a.example.com#b", f"it has a fragment. {REMOVE}"),
    "a user": ("https://me@a.example.com", f"it has a user. {REMOVE}"),
    "256 characters": ("https://a.example.com/" + "b" * 234, "it has 256 characters. Use a shorter host or path."),
    "a slash at the end": (
        "https://a.example.com/b/",
        "the URL must not end with a slash: set --service-account-issuer without it too",
    ),
    "a bare slash": (
        "https://a.example.com/",
        "the URL must not end with a slash: set --service-account-issuer without it too",
    ),
    "an empty part": ("https://a.example.com/b//c", "the path must not have an empty part, . or .."),
    "dots": ("https://a.example.com/b/../c", "the path must not have an empty part, . or .."),
    "capitals in the host": ("https://A.example.com", SMALL),
    "a blank": (
        "https://a.example.com/b c",
        "'https://a.example.com/b c' is not a URL. Give the issuer as https://HOST/PATH.",
    ),
    "a bucket with a dot": (
        "https://my.bucket.s3.eu-west-1.amazonaws.com",
        (
            "the bucket my.bucket has a dot in its name, so the certificate of S3 does not cover its host. Use a "
            "bucket without dots in its name, or put CloudFront before it."
        ),
    ),
}


@pytest.mark.parametrize(("url", "problem"), REFUSED.values(), ids=REFUSED)
def test_an_issuer_that_aws_could_never_use_is_refused(url: str, problem: str) -> None:
    assert issuer_problems(url) == (problem,)


@pytest.mark.parametrize(
    "url",
    ["https://a.example.com", "https://a.example.com/b/c", "https://my-bucket.s3.eu-west-1.amazonaws.com/prod",
     "https://a.example.com/" + "b" * 233],
    ids=["a host", "a path", "a bucket", "255 characters"],
)  # fmt: skip
def test_a_good_issuer_has_neither_problems_nor_notes(url: str) -> None:
    assert (issuer_problems(url), issuer_notes(url)) == ((), ())


NOTED = {
    "a port": (
        "https://a.example.com:8443",
        "the issuer: it has the port 8443. Serve the issuer at port 443, and leave the port out of the URL.",
    ),
    "a private name": (
        "https://kubernetes.default.svc",
        (
            "the issuer: kubernetes.default.svc is a name inside of a network, which AWS cannot resolve. Publish the "
            "two documents at a public host, and set --service-account-issuer of all API servers to it."
        ),
    ),
}


@pytest.mark.parametrize(("url", "note"), NOTED.values(), ids=NOTED)
def test_what_only_aws_does_not_like_is_noted(url: str, note: str) -> None:
    assert (issuer_problems(url), issuer_notes(url)) == ((), (note,))
