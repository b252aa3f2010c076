"""Runs the webhook's command with a pod's credentials from a test folder: `python in_pod.py FOLDER COMMAND...`.

Tests must not write to the real place, /var/run/secrets: they may themselves run in a pod.
"""

import os
import sys
from pathlib import Path

from webhook.cli import main
from webhook.cluster.access import AccessSettings

if __name__ == "__main__":
    defaults = AccessSettings.__init__.__kwdefaults__
    assert defaults is not None
    assert defaults["in_cluster_files"] == Path("/var/run/secrets/kubernetes.io/serviceaccount")
    defaults["in_cluster_files"] = Path(sys.argv[1])
    sys.exit(main(sys.argv[2:], os.environ))
