locals {
  # IAM names the provider, and its condition keys, without the scheme.
  issuer = trimprefix(var.issuer, "https://")
}

# A cluster has one. If others of your configurations need it too, move it to a configuration of its own.
# There is no thumbprint: AWS needs one only if it does not know the CA of the issuer's host.
resource "aws_iam_openid_connect_provider" "cluster" {
  url            = var.issuer
  client_id_list = [var.audience]
}

# As trust-policy render --output terraform writes it.
data "aws_iam_policy_document" "trust" {
  statement {
    effect  = "Allow"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.cluster.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = [var.audience]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${var.namespace}:${var.service_account}"]
    }
  }
}

# It has no rights yet: attach the policies that the pods need.
resource "aws_iam_role" "pods" {
  name               = var.role_name
  assume_role_policy = data.aws_iam_policy_document.trust.json
}
