"""`replay`: shows what the webhook would do to reviews, pods and workloads, without a running server."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from webhook.admission.container_credentials import ContainerCredentials, parse_container_credentials
from webhook.admission.identity import ServiceAccount, Sources
from webhook.admission.mapping import NO_MAPPING, RoleMapping
from webhook.admission.settings import Settings
from webhook.commands.flags.by_command import ADMISSION_FLAGS, REPLAY_FLAGS, SERVE_FLAGS
from webhook.commands.flags.help import help_text
from webhook.commands.flags.parsing import Parsed, parse, unknown_variables
from webhook.commands.flags.to_settings import checked, settings_from, with_account
from webhook.commands.replay.calls import Ask, answer_of
from webhook.commands.replay.case import Case, Skipped, Subject, cases_of
from webhook.commands.replay.golden import compare, update
from webhook.commands.replay.outcome import counts, failing, is_bad
from webhook.commands.replay.output import RENDERERS, coloured, complaints
from webhook.commands.replay.report import REPORTS, element
from webhook.commands.replay.unnamed import without_names
from webhook.commands.replay.usage import check_usage
from webhook.diagnosis.answers import Answer, answer_here
from webhook.errors import CredentialsConfigError, ManifestError, SettingsError, UnusableInput
from webhook.manifests.accounts import role_mapping, service_account
from webhook.manifests.documents import MAX_BYTES, Document, read_documents
from webhook.manifests.folders import has_folders, read_input
from webhook.manifests.workloads import role_of
from webhook.server.mutate_endpoint import REQUIRE_PATH
from webhook.terminal import one_line, print_styled, wants_colour

if TYPE_CHECKING:
    from webhook.commands.replay.cluster import Replayed

_ABOUT: Final = (
    "Shows what the webhook would do to the AdmissionReviews, Pods and workloads (anything with a pod template) in "
    "FILEs and folders, JSON or YAML; '-' is standard input. ServiceAccounts come from the same input and from "
    "--service-accounts. With --watch-config-map, role mappings come from a ConfigMap pod-identity-webhook in either. "
    "With --live, both come from a cluster, and the answers are those that it would give now. "
    "Exit code: 0 if everything is fine; 1 if something is denied, answered with an error or named by --fail-on, or if "
    "it differs from --expect; 2 for wrong usage."
)


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; returns the exit code. Raises WebhookError."""
    parsed = parse(REPLAY_FLAGS, argv, environ)
    if parsed.help_wanted:
        print(help_text("replay FILE... [flags]", _ABOUT, REPLAY_FLAGS))
        return 0
    check_usage(parsed)
    (settings,) = checked(parsed, lambda: settings_from(parsed, Settings))
    # Variables for `serve` may be set as well, and are no typing errors.
    unknown = unknown_variables([*REPLAY_FLAGS, *SERVE_FLAGS], environ)
    if unknown:
        _notice(f"environment variables that are not flags are ignored: {', '.join(unknown)}")
    if parsed.values["url"]:
        # With --url, the prefix still says which label keeps the API server from calling the webhook.
        given = parsed.given - {"annotation_prefix"}
        ignored = [f"--{flag.name}" for flag in ADMISSION_FLAGS if flag.field in given]
        if ignored:
            _notice(f"the running webhook (--url) has its own, so these are ignored: {', '.join(ignored)}")

    try:
        with contextlib.ExitStack() as stack:
            replayed = None
            if parsed.values["live"]:
                # Only a cluster needs its libraries, which take half a second to load.
                from webhook.commands.replay.cluster import replayed_cluster  # noqa: PLC0415

                replayed = stack.enter_context(replayed_cluster(parsed, _notice))
                # The running webhook's flags are in `parsed` now.
                (settings,) = checked(parsed, lambda: settings_from(parsed, Settings))
            results, skipped = _results(parsed, settings, replayed)
    except ManifestError as error:
        raise UnusableInput(str(error)) from error
    if parsed.values["expect"]:
        code = _expected(parsed, results)
    else:
        code = _shown(parsed, results, skipped, colours=wants_colour(parsed.values["color"], environ))
    sys.stdout.flush()
    failed_on = failing(results, skipped, parsed.values["fail_on"])
    if failed_on:
        _notice(f"failed because of --fail-on: {', '.join(failed_on)}")
    _notice(counts(results, skipped))
    return 1 if failed_on else code


def _results(
    parsed: Parsed, settings: Settings, replayed: "Replayed | None"
) -> tuple[list[tuple[Case, Answer]], list[Skipped]]:
    """Returns the answer for each case, and what was skipped. Prints a notice for each of the latter."""
    names = parsed.positionals
    documents: list[Document] = []
    skipped: list[Skipped] = []
    for name in names:
        read, others = _read(name, recursive=parsed.values["recursive"])
        documents += read
        skipped += [Skipped(file, f"no manifest: {why}", Subject(source=file)) for file, why in others]
    cases, workloads = cases_of(documents, parsed.values["namespace"], settings)
    skipped += workloads
    for each in skipped:
        _notice(f"{each.title}: skipped: {each.why}")
    if not cases:
        hint = "" if parsed.values["recursive"] else " (subfolders are searched only with -R)"
        where = [name + (hint if name != "-" and has_folders(Path(name)) else "") for name in names]
        raise SettingsError([f"no AdmissionReview, Pod or workload in {', '.join(where)}"])
    with _answerer(parsed, documents, cases, settings, replayed) as (known, ask):
        results = [(case, without_names(answer_of(case, ask), case.instead)) for case in known]
    return results, skipped


def _read(name: str, *, recursive: bool) -> tuple[list[Document], list[tuple[str, str]]]:
    if name == "-":
        return read_documents(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input"), []
    return read_input(Path(name), recursive=recursive)


@contextlib.contextmanager
def _answerer(
    parsed: Parsed, documents: list[Document], cases: list[Case], settings: Settings, replayed: "Replayed | None"
) -> Iterator[tuple[list[Case], Ask]]:
    """Yields the cases, with what the cluster of --live does with them, and a function that answers their reviews."""
    values = parsed.values
    if values["url"]:
        from webhook.commands.replay.cluster import trust_of  # noqa: PLC0415 - as above
        from webhook.commands.replay.running_webhook import webhook_at  # noqa: PLC0415 - as above

        with webhook_at(values["url"], trust_of(parsed, _notice)) as ask:
            yield cases, lambda body, _path: ask(body)
        return
    if values["service_accounts"]:
        documents = [*_manifests(values["service_accounts"], recursive=values["recursive"]), *documents]
    settings = with_account(settings)
    config_map = values["config_map_name"] if values["watch_config_map"] else ""
    accounts, mapping = _known(documents, values["namespace"], settings, config_map)
    if replayed is not None:
        from webhook.commands.replay.cluster import read_state  # noqa: PLC0415 - as above

        cases, mapping = read_state(replayed, parsed, cases, documents, accounts, settings)
    sources = Sources(mapping, _container_credentials(values["watch_container_credentials_config"]))

    def find_account(namespace: str, name: str) -> ServiceAccount | None:
        return accounts.get((namespace, name))

    yield (
        cases,
        lambda body, path: answer_here(body, find_account, sources, settings, namespace_requires=path == REQUIRE_PATH),
    )


def _manifests(name: str, *, recursive: bool) -> list[Document]:
    """Returns the documents that --service-accounts names."""
    try:
        documents, others = read_input(Path(name), recursive=recursive)
    except ManifestError as error:
        raise ManifestError(f"--service-accounts: {error}") from error
    for file, why in others:
        _notice(f"--service-accounts: {file}: skipped: no manifest: {why}")
    if not any(document.object.get("kind") == "ServiceAccount" for document in documents):
        _notice(f"--service-accounts: no ServiceAccount in {name}")
    return documents


def _known(
    documents: list[Document], namespace: str, settings: Settings, config_map: str
) -> tuple[dict[tuple[str, str], ServiceAccount], RoleMapping]:
    """Returns the ServiceAccounts in `documents`, and the role mappings in the ConfigMap `config_map`.

    If a name occurs several times, the last object wins.
    """
    accounts: dict[tuple[str, str], ServiceAccount] = {}
    mapping = NO_MAPPING
    for document in documents:
        role = role_of(document)
        if role == "service_account":
            account = service_account(document, settings, namespace)
            accounts[account.namespace, account.name] = account
        elif role == "config_map" and config_map and document.member("metadata.name", str) == config_map:
            mapping, problems = role_mapping(document)
            for problem in problems:
                _notice(problem)
    return accounts, mapping


def _container_credentials(name: str) -> ContainerCredentials:
    if not name:
        return frozenset()
    try:
        identities, problems = parse_container_credentials(Path(name).read_bytes())
    except (OSError, CredentialsConfigError) as error:
        problem = getattr(error, "strerror", None) or error
        raise SettingsError([f"--watch-container-credentials-config: {name}: {problem}"]) from error
    for problem in problems:
        _notice(f"{name}: {problem}")
    return identities


def _shown(parsed: Parsed, results: list[tuple[Case, Answer]], skipped: list[Skipped], *, colours: bool) -> int:
    """Prints each result; returns 1 if one would prevent its pod, else 0."""
    output = parsed.values["output"]
    if output in REPORTS:
        print(REPORTS[output](results, skipped, parsed.values["fail_on"]), end="")
    for case, answer in results:
        if output in RENDERERS:
            text = RENDERERS[output][0](case, answer)
            text += "\n" if output == "diff" else ""
            print_styled(coloured(text)) if colours and output == "diff" else print(text, end="")
        for line in complaints(case, answer) if output not in {"diff", "github"} else ():
            _notice(line)
    return 1 if any(is_bad(answer) for _, answer in results) else 0


def _expected(parsed: Parsed, results: list[tuple[Case, Answer]]) -> int:
    """Compares the results with the golden files, or writes these; returns 1 if something differs or is bad, else 0."""
    folder = Path(parsed.values["expect"])
    render, ending = RENDERERS.get(parsed.values["output"], (element, "json"))
    # Without places, golden files do not depend on the input's path and line numbers.
    texts = {f"{case.slug}.{ending}": render(case.placeless(), answer) for case, answer in results}
    bad = [(case, answer) for case, answer in results if is_bad(answer)]
    for case, answer in bad:
        for line in complaints(case, answer):
            _notice(line)
    if parsed.values["update"]:
        for left_over in update(folder, texts):
            _notice(f"{left_over}: removed: no object in the input belongs to it any more")
        _notice(f"{folder}: {len(texts)} {'file' if len(texts) == 1 else 'files'} written")
        return 1 if bad else 0
    differences = compare(folder, texts)
    for difference in differences:
        print(difference, end="")
    return 1 if differences or bad else 0


def _notice(text: str) -> None:
    print(f"pod-identity-webhook replay: {one_line(text)}", file=sys.stderr)
