"""What is wrong in a cluster: the checks of `doctor` and the findings of `audit`.

The commands print. `doctor` is pure: the commands read its facts. `audit` reads pods page by page through the cluster
room.
"""
