"""The issuer of service account tokens, as AWS sees it: discovery document, JWKS, tokens, trust policies.

Pure: documents, keys and the time come in, values and findings go out. It imports no other room. PyJWT reads and checks
JSON Web Keys (RFC 7517) and tokens (RFC 7519).
"""
