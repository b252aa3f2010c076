"""The HTTPS server: listeners, routes, metrics, TLS, wiring and shutdown."""
