"""AdmissionReview (admission.k8s.io v1 and v1beta1): parses the request body and encodes the answer."""

import re
from typing import Final

import msgspec

from webhook.admission.annotations import MIRROR_ANNOTATION
from webhook.admission.names import is_dns_label, is_dns_subdomain
from webhook.admission.pod import Pod
from webhook.admission.warning import quoted
from webhook.errors import ReviewError

# The limit in bytes for all annotations of an object together: apimachinery's TotalAnnotationSizeLimitB.
MAX_ANNOTATIONS: Final = 256 * 1024
# By default, etcd stores at most 1.5 MiB for an object, and each member takes at least five bytes.
MAX_MEMBERS: Final = 400_000
# An empty object takes two bytes.
MAX_OBJECTS: Final = 800_000
# A smaller body cannot have more members or objects than the limits.
_LARGE: Final = 4 * MAX_MEMBERS
# If a map with an invalid value is larger than this (bytes), the error message does not name the key.
_LARGEST_SEARCHED: Final = 64 * 1024

# The API server's uids have 36 characters. The limit matters because the answer repeats the uid.
_MAX_UID: Final = 253

_API_VERSIONS: Final = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
_KIND: Final = "AdmissionReview"


class GroupVersionKind(msgspec.Struct, gc=False, frozen=True):
    """The kind of the object under review."""

    group: str | None = None
    kind: str | None = None


class GroupVersionResource(msgspec.Struct, gc=False, frozen=True):
    """The resource under review."""

    group: str | None = None
    resource: str | None = None


class _Request(msgspec.Struct, gc=False, frozen=True):
    uid: str
    kind: GroupVersionKind | None = None
    resource: GroupVersionResource | None = None
    subResource: str | None = None
    namespace: str | None = None
    operation: str | None = None
    dryRun: bool | None = None


class _PodRequest(_Request, gc=False, frozen=True):
    object: Pod | None = None


class _RawRequest(_Request, gc=False, frozen=True):
    object: msgspec.Raw = msgspec.Raw()


class _PodReview(msgspec.Struct, gc=False, frozen=True):
    request: _PodRequest
    apiVersion: str | None = None
    kind: str | None = None


class _RawReview(msgspec.Struct, gc=False, frozen=True):
    request: _RawRequest
    apiVersion: str | None = None
    kind: str | None = None


_decode_pod_review: Final = msgspec.json.Decoder(_PodReview).decode
_decode_raw_review: Final = msgspec.json.Decoder(_RawReview).decode


class _RawVolumes(msgspec.Struct, gc=False):
    volumes: list[msgspec.Raw] | None = None


class _SpecWithVolumes(msgspec.Struct, gc=False):
    spec: _RawVolumes


class _ObjectWithVolumes(msgspec.Struct, gc=False):
    object: _SpecWithVolumes


class _ReviewWithVolumes(msgspec.Struct, gc=False):
    request: _ObjectWithVolumes


_decode_volumes: Final = msgspec.json.Decoder(_ReviewWithVolumes).decode


class Review(msgspec.Struct, gc=False, frozen=True):
    """A review that we can answer.

    `pod` is None if the request is not for us or the object is invalid. In the first case, `not_ours` names the rule
    that admits the object unchanged; in the second, `invalid` says what is wrong and where. `namespace` and
    `service_account` are valid names. `service_account` is empty if the pod has none, and for every mirror pod.
    """

    uid: str
    api_version: str
    body: bytes
    dry_run: bool = False
    namespace: str = ""
    service_account: str = ""
    pod: Pod | None = None
    not_ours: str = ""
    invalid: str = ""

    def raw_volumes(self) -> list[msgspec.Raw]:
        """Decodes the body again for the JSON of each of the pod's volumes; returns none if it is nested too deeply."""
        try:
            return _decode_volumes(self.body).request.object.spec.volumes or []
        except RecursionError:  # unlike the pod's decoder, this one must read the members of each volume
            return []


def parse(body: bytes) -> Review:
    """Parses the review in `body`.

    Raises ReviewError if `body` is not JSON, is not an AdmissionReview, or has no uid for the answer.
    """
    try:
        if not body.isascii():
            body.decode()
        if len(body) > _LARGE and _has_too_many_members(body):
            return _parse_without_pod(body, "object: has more members than a cluster can store")
        review = _decode_pod_review(body)
    except msgspec.ValidationError as error:
        return _parse_without_pod(body, error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReviewError(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise ReviewError("the body is not JSON that we take: it is nested too deeply") from error
    request = review.request
    api_version = _checked_type(review.apiVersion, review.kind, request.uid)
    pod = request.object
    not_ours = _not_ours(request, pod.kind if pod is not None else None)
    if not_ours:
        return Review(request.uid, api_version, body, not_ours=not_ours)
    if pod is None:
        return Review(request.uid, api_version, body, invalid="object: expected a Pod, got nothing")
    return _checked_names(request, pod, api_version, body)


def _checked_names(request: _PodRequest, pod: Pod, api_version: str, body: bytes) -> Review:
    annotations = pod.meta.annotations
    if len(body) > MAX_ANNOTATIONS and annotations is not None:
        size = sum(len(key) + len(value) for key, value in annotations.items())
        if size > MAX_ANNOTATIONS:
            invalid = f"metadata.annotations: {size} characters are more than the API server takes"
            return Review(request.uid, api_version, body, invalid=invalid)
    namespace = request.namespace or pod.meta.namespace or "default"
    if not is_dns_label(namespace):
        invalid = f"request.namespace: {quoted(namespace)} is not a DNS-1123 label"
        return Review(request.uid, api_version, body, invalid=invalid)
    account = "" if annotations is not None and MIRROR_ANNOTATION in annotations else pod.service_account_name
    if account and not is_dns_subdomain(account):
        path = "serviceAccountName" if pod.spec.serviceAccountName else "serviceAccount"
        invalid = f"spec.{path}: {quoted(account)} is not a DNS-1123 subdomain"
        return Review(request.uid, api_version, body, invalid=invalid)
    return Review(request.uid, api_version, body, bool(request.dryRun), namespace, account, pod)


def _has_too_many_members(body: bytes) -> bool:
    dense = body.translate(None, b" \t\r\n")
    return dense.count(b'":') > MAX_MEMBERS or dense.count(b"{") > MAX_OBJECTS


def _parse_without_pod(body: bytes, cause: msgspec.ValidationError | str) -> Review:
    """Parses a review whose object is not a valid Pod. The object may be of another kind, which is not for us.

    `cause` is the error in the pod.
    """
    try:
        review = _decode_raw_review(body)
    except msgspec.ValidationError as error:
        message, path = _located(error, "$.")
        raise ReviewError(f"not an AdmissionReview: {_joined(path, message)}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ReviewError(f"the body is not JSON: {error}") from error
    request = review.request
    api_version = _checked_type(review.apiVersion, review.kind, request.uid)
    not_ours = _not_ours(request, _kind_of(request.object))
    if not_ours:
        return Review(request.uid, api_version, body, not_ours=not_ours)
    if isinstance(cause, str):
        return Review(request.uid, api_version, body, invalid=cause)
    message, path = _located(cause, "$.request.object")
    path = path.removeprefix(".") or "object"
    if "[...]" in path:
        path = _exact_path(request.object, path)
    return Review(request.uid, api_version, body, invalid=_joined(path, message))


def _checked_type(api_version: str | None, kind: str | None, uid: str) -> str:
    if kind not in (_KIND, None, ""):
        raise ReviewError(f"not an AdmissionReview: kind is {quoted(kind)}")
    # The Go webhook's sample request gives neither apiVersion nor kind.
    api_version = api_version or _API_VERSIONS[0]
    if api_version not in _API_VERSIONS:
        raise ReviewError(f"not an AdmissionReview that we know: apiVersion is {quoted(api_version)}")
    if not uid:
        raise ReviewError("not an AdmissionReview: request.uid is empty")
    if len(uid) > _MAX_UID:
        raise ReviewError(f"not an AdmissionReview: request.uid is longer than {_MAX_UID} characters")
    return api_version


def _not_ours(request: _Request, object_kind: str | None) -> str:
    """Returns why a request is not for us, or an empty string if it creates a Pod."""
    if request.kind is not None:
        is_pod = request.kind.kind == "Pod" and not request.kind.group
    elif request.resource is not None:
        is_pod = request.resource.resource == "pods" and not request.resource.group
    else:
        is_pod = object_kind == "Pod"
    if not is_pod:
        return "not_a_pod"
    if request.subResource:
        return "subresource"
    return "" if request.operation == "CREATE" else "not_create"


class _Kind(msgspec.Struct):
    kind: str | None = None


def _kind_of(raw: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(raw or b"{}", type=_Kind).kind
    except msgspec.MsgspecError:
        return None


_LOCATION: Final = re.compile(r"(?P<message>.*?)(?: - at `(?:key in )?(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]*)`")


def _located(error: msgspec.ValidationError, prefix: str) -> tuple[str, str]:
    """Returns a msgspec error's message and path in our form: ("expected str, got int", "spec.containers[0].name")."""
    match = _LOCATION.fullmatch(str(error))
    message, path = (match["message"], match["path"] or "") if match else (str(error), "")
    path = path.removeprefix(prefix).removeprefix("$")
    missing = _MISSING.fullmatch(message)
    if missing:
        return "missing", f"{path}.{missing['field']}".removeprefix(".") if path else missing["field"]
    return message.replace("`", "").replace("Expected", "expected", 1), path


def _exact_path(raw: msgspec.Raw, path: str) -> str:
    """Replaces msgspec's `[...]` in `path` with the map's key: the first key whose value is not a string."""
    before, _, after = path.partition("[...]")
    try:
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        *above, last = before.split(".")
        for member in above:
            members = msgspec.json.decode(members[member], type=dict[str, msgspec.Raw])
        if len(members[last]) > _LARGEST_SEARCHED:
            return path
        found = msgspec.json.decode(members[last], type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, LookupError):
        # The JSON has a duplicate key: msgspec rejected one of its values, but decoding kept another.
        return path
    key = next((key for key, item in found.items() if not bytes(item).startswith(b'"')), "...")
    return f"{before}[{quoted(key)[1:-1]}]{after}"


def _joined(path: str, message: str) -> str:
    return f"{path}: {message}" if path else message


class Status(msgspec.Struct, gc=False, omit_defaults=True):
    """Why a request is not allowed (meta/v1 Status)."""

    code: int
    message: str
    reason: str
    status: str | None = None


class Response(msgspec.Struct, gc=False, omit_defaults=True):
    """AdmissionResponse. `patch` is the JSON Patch document in base64, encoded as a JSON string."""

    uid: str
    allowed: bool
    patch: msgspec.Raw | None = None
    patchType: str | None = None
    status: Status | None = None
    warnings: list[str] | None = None
    auditAnnotations: dict[str, str] | None = None


class _Answer(msgspec.Struct, gc=False):
    apiVersion: str
    kind: str
    response: Response


_encode: Final = msgspec.json.Encoder().encode


def encode(review: Review, response: Response) -> bytes:
    """Encodes the AdmissionReview that answers `review`, in the apiVersion of `review`."""
    return _encode(_Answer(review.api_version, _KIND, response))


_BEFORE_UID: Final = {
    version: b'{"apiVersion":"%b","kind":"AdmissionReview","response":{"uid":' % version.encode()
    for version in _API_VERSIONS
}


def encode_response(response: Response) -> bytes:
    """Encodes the part of the answer after the uid, for `encode_shared`. Reviews that share `response` share it."""
    return _encode(response).removeprefix(b'{"uid":%b' % _encode(response.uid)) + b"}"


def encode_shared(review: Review, encoded: bytes) -> bytes:
    """Encodes the AdmissionReview that answers `review`: its uid, then `encoded` from `encode_response`."""
    return b"%b%b%b" % (_BEFORE_UID[review.api_version], _encode(review.uid), encoded)
