# The image. BASE is any image of Python 3.11 or newer on Debian. The lock files pin everything else, with hashes.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /source
COPY requirements.lock requirements-build.lock ./
# Wheels only: the build runs no code of the packages, and fails on a platform without wheels instead of compiling.
RUN python -m venv --without-pip /opt/pod-identity-webhook \
    && python -m pip --python /opt/pod-identity-webhook/bin/python install \
        --no-cache-dir --no-compile --require-hashes --only-binary=:all: -r requirements.lock \
    && python -m venv --without-pip /opt/build \
    && python -m pip --python /opt/build/bin/python install \
        --no-cache-dir --no-compile --require-hashes --only-binary=:all: -r requirements-build.lock

# Most of the Kubernetes client consists of classes for kinds of objects. It loads them only by name, and we name none:
# we treat objects as plain JSON.
RUN find /opt/pod-identity-webhook -regex '.*/kubernetes/\(aio/\)?client/\(api\|models\)/.*\.py' \
        ! -name __init__.py -delete

COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY webhook webhook
COPY certs certs
# Compile now, because the file system may be read-only when the image runs. Use hashes, because not every builder keeps
# the files' modification times.
RUN /opt/build/bin/hatchling build -t wheel -d /wheel \
    && python -m pip --python /opt/pod-identity-webhook/bin/python install \
        --no-cache-dir --no-compile --no-deps --no-index /wheel/*.whl \
    && /opt/pod-identity-webhook/bin/python -m compileall -q --invalidation-mode unchecked-hash \
        /opt/pod-identity-webhook/lib

# Manifests for the Go webhook set `command: [/webhook, ...]` and listen on port 443. Not every runtime lets users other
# than root listen on ports below 1024. /webhook therefore uses a Python that has the file capability NET_BIND_SERVICE
# (revision 2, effective). If the container may not have the capability (`drop: [ALL]`), /webhook uses the plain Python.
RUN cp /usr/local/bin/python3 /opt/pod-identity-webhook/bin/python-low-ports \
    && python -c 'import os, struct, sys; \
        os.setxattr(sys.argv[1], "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0))' \
        /opt/pod-identity-webhook/bin/python-low-ports

FROM ${BASE}
# The Python image does not compile its standard library, which costs 0.8 s of CPU at each start. The image needs no pip.
RUN python -m compileall -q --invalidation-mode unchecked-hash \
        -x '/(site-packages|ensurepip|idlelib|lib2to3|test|tests|tkinter|turtledemo)/' \
        "$(python -c 'import os; print(os.path.dirname(os.__file__))')" \
    && python -m pip uninstall --yes --quiet --root-user-action=ignore pip
COPY image/webhook /webhook
COPY --from=build /opt/pod-identity-webhook /opt/pod-identity-webhook

ENV PATH=/opt/pod-identity-webhook/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="pod-identity-webhook" \
      org.opencontainers.image.description="Gives pods on self-managed Kubernetes clusters their AWS role" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 65532:65532
EXPOSE 443 9999
ENTRYPOINT ["pod-identity-webhook"]
CMD ["serve"]
