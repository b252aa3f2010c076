"""HTTP/1.1 over TCP and TLS: connections, what they may take, and the listener. Knows nothing of admission."""
