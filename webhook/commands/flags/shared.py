"""Flags that several commands have: how to reach the cluster, and how to write the output.

ACCESS means the same everywhere. A command puts FORMAT and COLOUR through `of_command`, so that their variables are its
own.
"""

from typing import Final

from webhook.commands.flags.flag import Flag

_CLUSTER: Final = "The cluster"
_OUTPUT: Final = "Output"

ACCESS: Final = (
    Flag("kubeconfig", "string", "", "kubeconfig file; default is kubectl's", _CLUSTER, metavar="FILE"),
    Flag("context", "string", "", "context in the kubeconfig; default is the current one", _CLUSTER),
    Flag("kube-api", "string", "", "URL of the API server; overrides the kubeconfig's", _CLUSTER, metavar="URL"),
)
FORMAT: Final = Flag("output", "string", "text", "output format", _OUTPUT, choices=("text", "json"), short="o")
COLOUR: Final = Flag(
    "color",
    "string",
    "auto",
    "colours; auto: on a terminal, unless NO_COLOR is set or TERM is dumb",
    _OUTPUT,
    choices=("auto", "always", "never"),
)
