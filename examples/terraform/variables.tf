variable "issuer" {
  description = "The API server's first --service-account-issuer, to the letter. Its documents must be public already."
  type        = string

  validation {
    condition     = can(regex("^https://[a-z0-9.-]+(/[A-Za-z0-9._~-]+)*$", var.issuer)) && length(var.issuer) <= 255
    error_message = "The issuer must begin with https:// and have no port, no query, no slash at its end and at most 255 characters."
  }
}

variable "audience" {
  description = "The audience of the tokens: a client ID of the OIDC provider."
  type        = string
  default     = "sts.amazonaws.com"

  validation {
    condition     = length(var.audience) >= 1 && length(var.audience) <= 255
    error_message = "The audience must have 1 to 255 characters."
  }
}

variable "namespace" {
  description = "The namespace of the ServiceAccount. It must exist."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "The namespace must be 1 to 63 small letters, digits and hyphens; a pattern would let in more than one ServiceAccount."
  }
}

variable "service_account" {
  description = "The name of the ServiceAccount whose pods get the role."
  type        = string

  validation {
    condition = alltrue([
      can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", var.service_account)),
      length(var.service_account) <= 253,
    ])
    error_message = "The ServiceAccount must be small letters, digits, hyphens and dots; a pattern would let in more than one."
  }
}

variable "role_name" {
  description = "The name of the IAM role."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.role_name))
    error_message = "The name of the role must be 1 to 64 letters, digits and characters of _+=,.@-."
  }
}
