"""`serve`: runs the webhook."""

import logging
from collections.abc import Mapping, Sequence

from webhook.admission.settings import Settings
from webhook.commands.certs.flags import ORIGIN_FLAGS
from webhook.commands.flags.by_command import SERVE_FLAGS, is_ignored
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse, unknown_variables
from webhook.commands.flags.to_settings import checked, is_self_managed, settings_from, with_account
from webhook.server.logs import configure_logs
from webhook.server.settings import ServerSettings

logger = logging.getLogger("webhook.serve")

_ABOUT = "Runs the webhook: HTTPS for the API server, HTTP for probes and metrics, until SIGTERM or SIGINT."


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(SERVE_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("serve [flags]", _ABOUT, SERVE_FLAGS))
        return 0
    parsed.problems += [f"{word!r}: serve takes flags only" for word in parsed.positionals]
    if parsed.values["ephemeral_certificate"] and not parsed.given.isdisjoint({"tls_cert", "tls_key"}):
        parsed.problems.append("--ephemeral-certificate: cannot be used with --tls-cert or --tls-key")
    settings, admission = checked(
        parsed,
        lambda: settings_from(parsed, ServerSettings, self_managed=is_self_managed(parsed, environ)),
        lambda: settings_from(parsed, Settings),
    )
    configure_logs(parsed.values["v"], parsed.values["log_format"])
    for notice in _notices(parsed, environ):
        logger.warning(notice)

    from webhook.server.run import run  # noqa: PLC0415 - usage errors do not need the server's libraries

    run(settings, with_account(admission))
    return 0


def _notices(parsed: Parsed, environ: Mapping[str, str]) -> list[str]:
    """Returns warnings about settings that have no effect, or not the expected one."""
    notices = []
    ignored = [f"--{flag.name}" for flag in SERVE_FLAGS if is_ignored(flag) and flag.field in parsed.given]
    if ignored:
        notices.append(f"flags without effect are ignored: {', '.join(ignored)}")
    if "in_cluster" in parsed.given and parsed.values["in_cluster"]:
        notices.append("--in-cluster=true: the certificate comes from a CA of our own, not from the cluster's signer")
    # The chart sets the variables of ORIGIN_FLAGS for `certs show` and `certs rotate` in the pod.
    unknown = unknown_variables((*SERVE_FLAGS, *ORIGIN_FLAGS), environ)
    if unknown:
        notices.append(f"environment variables that are not flags are ignored: {', '.join(unknown)}")
    return notices
