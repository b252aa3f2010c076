{{/* Where an object for monitoring lives: (list . values). */}}
{{- define "pod-identity-webhook.monitoringNamespace" -}}
{{- default (include "pod-identity-webhook.namespace" (index . 0)) (index . 1).namespace -}}
{{- end -}}

{{/* An endpoint of a ServiceMonitor or PodMonitor. */}}
{{- define "pod-identity-webhook.monitoringEndpoint" -}}
port: metrics
path: /metrics
honorLabels: {{ .honorLabels }}
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
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

{{/* What tells this release's series from others'. */}}
{{- define "pod-identity-webhook.series" -}}
namespace={{ include "pod-identity-webhook.namespace" . | quote }},pod=~"{{ include "pod-identity-webhook.fullname" . }}-.+"
{{- end -}}

{{/* Labels and words of an alert: (list values severity summary). */}}
{{- define "pod-identity-webhook.alert" -}}
labels:
  {{- toYaml (merge (deepCopy (index . 0).alertLabels) (dict "severity" (index . 1))) | nindent 2 }}
annotations:
  summary: {{ index . 2 | quote }}
{{- end -}}
