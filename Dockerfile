# The image. BASE is any image of Python 3.11 or newer on Debian; all else is pinned, with hashes, in the lock files.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /source
COPY requirements.lock requirements-build.lock ./
# Wheels only: no package's own code runs here, and a platform without its wheel fails instead of wanting a compiler.
RUN python -m venv --without-pip /opt/pod-identity-webhook \
    && python -m pip --python /opt/pod-identity-webhook/bin/python install \
        --no-cache-dir --no-compile --require-hashes --only-binary=:all: -r requirements.lock \
    && python -m venv --without-pip /opt/build \
    && python -m pip --python /opt/build/bin/python install \
        --no-cache-dir --no-compile --require-hashes --only-binary=:all: -r requirements-build.lock

# Most of the Kubernetes client is classes for each kind of object, loaded only by name. Nobody names one here: objects
# are plain JSON to us.
RUN find /opt/pod-identity-webhook -regex '.*/kubernetes/\(aio/\)?client/\(api\|models\)/.*\.py' \
        ! -name __init__.py -delete

COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY webhook webhook
COPY certs certs
# Compiled now, for nothing can be written where it runs; by hash, for not every builder keeps the files' times.
RUN /opt/build/bin/hatchling build -t wheel -d /wheel \
    && python -m pip --python /opt/pod-identity-webhook/bin/python install \
        --no-cache-dir --no-compile --no-deps --no-index /wheel/*.whl \
    && /opt/pod-identity-webhook/bin/python -m compileall -q --invalidation-mode unchecked-hash \
        /opt/pod-identity-webhook/lib

# The entry point of the webhook in Go, whose manifests say `command: [/webhook, ...]` and listen on port 443. Not every
# runtime gives low ports to a user who is not root, so /webhook has a Python with the file capability NET_BIND_SERVICE
# (revision 2, effective), where the container may have it; `drop: [ALL]` takes it away, then the plain one does.
RUN cp /usr/local/bin/python3 /opt/pod-identity-webhook/bin/python-low-ports \
    && python -c 'import os, struct, sys; \
        os.setxattr(sys.argv[1], "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0))' \
        /opt/pod-identity-webhook/bin/python-low-ports

FROM ${BASE}
# Python's image leaves its library uncompiled, which costs 0.8 s of CPU at each start. Nobody installs anything here.
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
