"""Our certificate authority: issue, renew, share and publish certificates. Never imports webhook."""
