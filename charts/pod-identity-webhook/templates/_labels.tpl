{{/* The labels that selectors use. Do not add any: a Deployment's selector can never change. */}}
{{- define "pod-identity-webhook.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pod-identity-webhook.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: webhook
{{- end -}}

{{/* The label that keeps the API server from calling the webhook for the webhook's own pods, unless they require their identity. */}}
{{- define "pod-identity-webhook.exemptLabel" -}}
pod-identity-webhook/exempt
{{- end -}}

{{/* Labels of an object: (list . "component" map of more labels). Ours win. */}}
{{- define "pod-identity-webhook.labels" -}}
{{- $root := index . 0 -}}
{{- $ours := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/name" (include "pod-identity-webhook.name" $root)
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/component" (index . 1)
  "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $more := gt (len .) 2 | ternary (last .) dict -}}
{{- toYaml (merge $ours (deepCopy (default dict $more)) (deepCopy (default dict $root.Values.commonLabels))) -}}
{{- end -}}

{{/*
Labels of a pod: (list . "component" map of more labels). Ours win. They do not include the chart version, because a new
version would restart all pods. Our own pods must not require an identity: a webhook that needs itself to start never starts.
*/}}
{{- define "pod-identity-webhook.podLabels" -}}
{{- $root := index . 0 -}}
{{- $ours := dict
  "app.kubernetes.io/name" (include "pod-identity-webhook.name" $root)
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/component" (index . 1)
  (include "pod-identity-webhook.exemptLabel" $root) "true" -}}
{{- $labels := merge $ours (deepCopy (default dict (index . 2))) (deepCopy (default dict $root.Values.commonLabels)) -}}
{{- toYaml (omit $labels (printf "%s/require-pod-identity" $root.Values.config.annotationPrefix)) -}}
{{- end -}}
