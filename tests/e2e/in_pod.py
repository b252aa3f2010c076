"""The webhook's command with a pod's credentials in a folder of the test's: `python in_pod.py FOLDER COMMAND...`.

Their own place, /var/run/secrets, is the machine's: a test may itself run in a pod.
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
