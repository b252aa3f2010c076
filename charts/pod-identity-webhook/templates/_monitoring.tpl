{{/* The namespace of a monitoring object: (list . values). */}}
{{- define "pod-identity-webhook.monitoringNamespace" -}}
{{- default (include "pod-identity-webhook.namespace" (index . 0)) (index . 1).namespace -}}
{{- end -}}

{{/* An endpoint of a ServiceMonitor or PodMonitor. */}}
{{- define "pod-identity-webhook.monitoringEndpoint" -}}
port: metrics
path: /metrics
honorLabels: {{ .honorLabels }}
{{- with .interval }}
interval: {{ . | quote }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . | quote }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .endpointAdditionalProperties }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Label matchers that select only this release's series. */}}
{{- define "pod-identity-webhook.series" -}}
namespace={{ include "pod-identity-webhook.namespace" . | quote }},pod=~"{{ include "pod-identity-webhook.fullname" . }}-.+"
{{- end -}}

{{/* Labels and annotations of an alert: (list values severity summary). */}}
{{- define "pod-identity-webhook.alert" -}}
labels:
  {{- toYaml (merge (deepCopy (default dict (index . 0).alertLabels)) (dict "severity" (index . 1))) | nindent 2 }}
annotations:
  summary: {{ index . 2 | quote }}
{{- end -}}

{{/* Seconds of a duration as Go writes it, such as 1h30m. */}}
{{- define "pod-identity-webhook.seconds" -}}
{{- $seconds := 0 -}}
{{- range regexFindAll "[0-9]+[hms]" . -1 -}}
{{- $unit := regexFind "[hms]" . -}}
{{- $seconds = add $seconds (mul (trimSuffix $unit . | int64) (get (dict "h" 3600 "m" 60 "s" 1) $unit)) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/*
How many seconds before a certificate expires the alert fires: half the time between its renewal and its expiry. By then,
it should have been renewed long ago. The webhook renews its own certificates after two thirds of their life, and
cert-manager does the same with its CA. The chart does not know who renews a user's own certificates, and when.
*/}}
{{- define "pod-identity-webhook.endsSoon" -}}
{{- $kind := include "pod-identity-webhook.certificates" . -}}
{{- $given := .Values.metrics.prometheusRule.certificateEndsSoon -}}
{{- $certManager := .Values.pki.certManager.certificate -}}
{{- $selfManaged := .Values.pki.selfManaged -}}
{{- if $given -}}
{{- include "pod-identity-webhook.seconds" $given -}}
{{- else if eq $kind "self-managed" -}}
{{- div (min (include "pod-identity-webhook.seconds" $selfManaged.certificateLifetime) (include "pod-identity-webhook.seconds" $selfManaged.caLifetime)) 6 -}}
{{- else if eq $kind "cert-manager" -}}
{{- min (div (include "pod-identity-webhook.seconds" $certManager.renewBefore) 2) (div (include "pod-identity-webhook.seconds" $certManager.caDuration) 6) -}}
{{- else -}}
{{- include "pod-identity-webhook.seconds" "168h" -}}
{{- end -}}
{{- end -}}
