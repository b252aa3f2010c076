# The webhook gives the role to each new pod of this ServiceAccount.
resource "kubernetes_service_account_v1" "pods" {
  metadata {
    namespace = var.namespace
    name      = var.service_account

    annotations = {
      "eks.amazonaws.com/role-arn" = aws_iam_role.pods.arn
      "eks.amazonaws.com/audience" = var.audience
    }
  }
}
