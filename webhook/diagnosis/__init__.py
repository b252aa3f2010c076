"""What is wrong in a cluster: `doctor`'s checks and `audit`'s findings. Pure: facts in, findings out.

The commands read the facts. This room may import the admission, issuer, cluster and manifests rooms, and does no I/O.
"""
