{{/* Where the certificate comes from: self-managed, cert-manager, existing-secret or values. */}}
{{- define "pod-identity-webhook.certificates" -}}
{{- $pki := .Values.pki -}}
{{- $given := or $pki.cert $pki.key -}}
{{- if gt (add (ternary 1 0 $pki.certManager.enabled) (ternary 0 1 (empty $pki.existingSecret)) (ternary 0 1 (empty $given))) 1 -}}
{{- include "pod-identity-webhook.refuse" "pki: set only one of certManager.enabled, existingSecret, and cert with key" -}}
{{- end -}}
{{- if $pki.certManager.enabled -}}
{{- if and $pki.certManager.existingIssuer.enabled (empty $pki.certManager.existingIssuer.name) -}}
{{- include "pod-identity-webhook.refuse" "pki.certManager.existingIssuer.name: set the name of the issuer" -}}
{{- end -}}
cert-manager
{{- else if $pki.existingSecret -}}
existing-secret
{{- else if $given -}}
{{- if not (and $pki.cert $pki.key $pki.caBundle) -}}
{{- include "pod-identity-webhook.refuse" "pki: set all three of cert, key and caBundle" -}}
{{- end -}}
values
{{- else -}}
{{- if $pki.caBundle -}}
{{- include "pod-identity-webhook.refuse" "pki.caBundle: there is no certificate for it to verify; also set existingSecret, or cert and key" -}}
{{- end -}}
self-managed
{{- end -}}
{{- end -}}

{{/* Whether the webhook writes the caBundle. Empty if cert-manager's cainjector does. */}}
{{- define "pod-identity-webhook.writesCABundle" -}}
{{- if not (and .Values.pki.certManager.enabled .Values.pki.certManager.injectCA) -}}true{{- end -}}
{{- end -}}

{{/* The Secret with tls.crt and tls.key, for all kinds except self-managed. */}}
{{- define "pod-identity-webhook.certificateSecret" -}}
{{- default (include "pod-identity-webhook.suffixed" (list . "tls")) .Values.pki.existingSecret -}}
{{- end -}}

{{/* Returns PEM in base64. The value may be PEM or PEM in base64: (list . "key below pki"). */}}
{{- define "pod-identity-webhook.pem" -}}
{{- $key := index . 1 -}}
{{- $text := get (index . 0).Values.pki $key -}}
{{- $encoded := contains "-----BEGIN " $text | ternary (b64enc $text) (regexReplaceAll "\\s" $text "") -}}
{{- if not (contains "-----BEGIN " (b64dec $encoded)) -}}
{{- include "pod-identity-webhook.refuse" (printf "pki.%s: neither PEM nor PEM in base64; use --set-file to read it from a file" $key) -}}
{{- end -}}
{{- $encoded -}}
{{- end -}}
