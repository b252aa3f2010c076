{{/* Fails if the schema accepts the values but they cannot work. Renders nothing. */}}
{{- define "pod-identity-webhook.checks" -}}
{{- include "pod-identity-webhook.checkNames" . -}}
{{- include "pod-identity-webhook.checkMappings" .Values.config.podIdentityWebhookMap -}}
{{- if kindIs "float64" .Values.image.tag | or (kindIs "int64" .Values.image.tag) -}}
{{- include "pod-identity-webhook.refuse" (printf "image.tag: %v is a number, and Helm may already have lost some of its digits; quote it (image.tag: \"...\", or --set-string)" .Values.image.tag) -}}
{{- end -}}
{{- $ports := .Values.config.ports -}}
{{- if eq (int $ports.webhook) (int $ports.metrics) -}}
{{- include "pod-identity-webhook.refuse" (printf "config.ports.webhook, config.ports.metrics: both are %d; set two different ports" (int $ports.webhook)) -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- include "pod-identity-webhook.refuse" "metrics.serviceMonitor.enabled, metrics.podMonitor.enabled: choose one; with both, Prometheus scrapes all metrics twice" -}}
{{- end -}}
{{- end -}}

{{- define "pod-identity-webhook.checkNames" -}}
{{- range $key := list "nameOverride" "fullnameOverride" -}}
{{- $name := get $.Values $key -}}
{{- if and $name (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $name)) -}}
{{- include "pod-identity-webhook.refuse" (printf "%s: %q is not a DNS label (lower-case letters, digits, and dashes between them)" $key $name) -}}
{{- end -}}
{{- end -}}
{{- $name := include "pod-identity-webhook.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- include "pod-identity-webhook.refuse" (printf "fullnameOverride: %q cannot be the name of a Service; set a name of lower-case letters, digits and dashes that begins with a letter" $name) -}}
{{- end -}}
{{- end -}}

{{/* The checks of config.podIdentityWebhookMap. */}}
{{- define "pod-identity-webhook.checkMappings" -}}
{{- $key := "config.podIdentityWebhookMap.data" -}}
{{- $mappings := default dict .data -}}
{{- if and $mappings (not .enabled) -}}
{{- include "pod-identity-webhook.refuse" (printf "%s: has no effect unless config.podIdentityWebhookMap.enabled is true" $key) -}}
{{- end -}}
{{- if kindIs "string" $mappings.config -}}
{{- $key = printf "%s.config" $key -}}
{{- $mappings = fromJson (default "{}" (trim $mappings.config)) -}}
{{- if kindIs "string" $mappings.Error -}}
{{- include "pod-identity-webhook.refuse" (printf "%s: not a JSON object of mappings: %s" $key $mappings.Error) -}}
{{- end -}}
{{- end -}}
{{- range $account, $_ := $mappings -}}
{{- if not (contains "/" $account) -}}
{{- include "pod-identity-webhook.refuse" (printf "%s: %q is not the namespace/name of a ServiceAccount" $key $account) -}}
{{- end -}}
{{- end -}}
{{- end -}}
