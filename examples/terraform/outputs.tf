output "provider_arn" {
  description = "The ARN of the OIDC provider, for the trust policies of more roles."
  value       = aws_iam_openid_connect_provider.cluster.arn
}

output "role_arn" {
  description = "The ARN of the role, which the ServiceAccount is annotated with."
  value       = aws_iam_role.pods.arn
}

output "trust_policy" {
  description = "The role's trust policy, for trust-policy lint and explain."
  value       = data.aws_iam_policy_document.trust.json
}
