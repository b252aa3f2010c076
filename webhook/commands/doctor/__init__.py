"""`doctor`: names the broken link between a pod and its role, and the one thing to do next."""
