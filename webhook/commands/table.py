"""The commands as a table: the command line, help, documentation and completion follow from it.

It names modules and imports none: each command loads only what it needs, which saves the server's memory.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from webhook.commands.flags.flag import Flag


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or a group of `commands`.

    `what` is its line in the list of commands. `module` has its `main(argv, environ) -> int`; `flags` is the place of
    its flags, `MODULE:NAME`. A group has neither; `about` is the sentence in its help. `arguments` has the choices of
    the first argument, if it is no file.
    """

    name: str
    what: str
    module: str = ""
    flags: str = ""
    about: str = ""
    arguments: tuple[str, ...] = ()
    commands: tuple["Command", ...] = ()

    def load_flags(self) -> tuple[Flag, ...]:
        """Imports and returns its flags; none for a group."""
        if not self.flags:
            return ()
        module, _, name = self.flags.partition(":")
        flags: tuple[Flag, ...] = getattr(importlib.import_module(module), name)
        return flags

    def named(self, name: str) -> "Command | None":
        """Returns the command of this name in the group."""
        return next((command for command in self.commands if command.name == name), None)

    def path(self, words: Sequence[str]) -> tuple[str, ...]:
        """Returns the names of the command, and of the sub-command if there is one, that `words` begin with."""
        command = self.named(words[0]) if words else None
        return (command.name, *command.path(words[1:])) if command is not None else ()


_CERTS_FLAGS: Final = "webhook.commands.certs.flags"
_ISSUER_FLAGS: Final = "webhook.commands.issuer.flags"
_TRUST_POLICY_FLAGS: Final = "webhook.commands.trust_policy.flags"

COMMANDS: Final = Command(
    "",
    "",
    about="Gives pods on self-managed Kubernetes clusters their AWS role, without a stored credential.",
    commands=(
        Command("serve", "run the webhook", "webhook.commands.serve", "webhook.commands.flags.by_command:SERVE_FLAGS"),
        Command(
            "replay",
            "show what the webhook would do to reviews, pods and workloads",
            "webhook.commands.replay.verb",
            "webhook.commands.flags.by_command:REPLAY_FLAGS",
        ),
        Command(
            "audit",
            "find running pods without the credentials that they would get now",
            "webhook.commands.audit.verb",
            "webhook.commands.audit.flags:AUDIT_FLAGS",
        ),
        Command(
            "certs",
            "show, rotate or issue the webhook's certificates",
            about="Shows, rotates or issues the webhook's certificates.",
            commands=(
                Command(
                    "show",
                    "shows the served certificate, the Secret and the caBundle, and whether they match",
                    "webhook.commands.certs.show",
                    f"{_CERTS_FLAGS}:SHOW_FLAGS",
                ),
                Command(
                    "rotate",
                    "asks the running webhook for a new leaf or a new CA",
                    "webhook.commands.certs.rotate",
                    f"{_CERTS_FLAGS}:ROTATE_FLAGS",
                ),
                Command(
                    "issue",
                    "writes a CA and a leaf to files, or renews the leaf in them",
                    "webhook.commands.certs.issue",
                    f"{_CERTS_FLAGS}:ISSUE_FLAGS",
                ),
            ),
        ),
        Command(
            "issuer",
            "render, merge, verify and publish the documents of the cluster's issuer",
            about="Renders, merges, verifies and publishes the documents of the cluster's issuer.",
            commands=(
                Command(
                    "render",
                    "writes the discovery document and the JWKS",
                    "webhook.commands.issuer.render",
                    f"{_ISSUER_FLAGS}:RENDER_FLAGS",
                ),
                Command(
                    "merge",
                    "merges the old and the new JWKS for a key rotation, and says when the old key may go",
                    "webhook.commands.issuer.merge",
                    f"{_ISSUER_FLAGS}:MERGE_FLAGS",
                ),
                Command(
                    "verify",
                    "checks a published issuer, and a token, as AWS STS and IAM do",
                    "webhook.commands.issuer.verify.verb",
                    "webhook.commands.issuer.verify.flags:VERIFY_FLAGS",
                ),
                Command(
                    "publish",
                    "shows the aws commands that publish the documents, and runs them if asked to",
                    "webhook.commands.issuer.publish",
                    f"{_ISSUER_FLAGS}:PUBLISH_FLAGS",
                ),
                Command(
                    "thumbprint",
                    "shows the thumbprint of the issuer's certificates for IAM",
                    "webhook.commands.issuer.thumbprint",
                    f"{_ISSUER_FLAGS}:THUMBPRINT_FLAGS",
                ),
            ),
        ),
        Command(
            "trust-policy",
            "write, check or explain the trust policy of a role",
            about="Writes, checks or explains the trust policy of a role.",
            commands=(
                Command(
                    "render",
                    "prints the policy that lets ServiceAccounts assume a role",
                    "webhook.commands.trust_policy.render",
                    f"{_TRUST_POLICY_FLAGS}:RENDER_FLAGS",
                ),
                Command(
                    "lint",
                    "finds the mistakes in policies, with the fix of each",
                    "webhook.commands.trust_policy.lint",
                    f"{_TRUST_POLICY_FLAGS}:LINT_FLAGS",
                ),
                Command(
                    "explain",
                    "shows whether a token may assume the role, and which condition decides it",
                    "webhook.commands.trust_policy.explain",
                    f"{_TRUST_POLICY_FLAGS}:EXPLAIN_FLAGS",
                ),
            ),
        ),
        Command(
            "doctor",
            "name the broken link between a pod and its role, and what to do next",
            "webhook.commands.doctor.verb",
            "webhook.commands.doctor.flags:DOCTOR_FLAGS",
            arguments=("serviceaccount", "pod", "deployment", "statefulset", "daemonset"),
        ),
        Command(
            "completion",
            "print a completion script for bash, zsh or fish",
            "webhook.commands.completion.verb",
            arguments=("bash", "zsh", "fish"),
        ),
    ),
)

ANSWER: Final = Command("__complete", "", "webhook.commands.completion.answer")
"""The hidden command that completion scripts run, named as in kubectl's plugins and cobra's programs."""
