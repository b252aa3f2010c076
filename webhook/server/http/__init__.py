"""HTTP/1.1 over TCP and TLS: connections, their limits, and the listener. It does not depend on admission."""
