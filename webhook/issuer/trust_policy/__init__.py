"""Trust policies of roles: their model, the evaluation as IAM does it, the lint, and how to write them."""
