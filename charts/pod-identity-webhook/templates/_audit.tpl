{{/* The CronJob's name. Its Jobs add 11 characters, so that at most 52 are allowed. */}}
{{- define "pod-identity-webhook.auditName" -}}
{{- printf "%s-audit" (include "pod-identity-webhook.fullname" . | trunc 46 | trimSuffix "-") -}}
{{- end -}}

{{/* The name of the audit's ClusterRole. It contains the namespace, so that two releases with the same name do not collide. */}}
{{- define "pod-identity-webhook.auditClusterRole" -}}
{{- printf "%s-%s" (include "pod-identity-webhook.suffixed" (list . "audit")) (include "pod-identity-webhook.namespace" .) -}}
{{- end -}}

{{/* The arguments of audit. toYaml writes them, so that each stays one argument whatever it contains. */}}
{{- define "pod-identity-webhook.auditArgs" -}}
{{- $audit := .Values.audit -}}
{{- $args := list
  "--all-namespaces"
  "--events"
  (printf "--webhook-configuration=%s" (include "pod-identity-webhook.fullname" .)) -}}
{{- with $audit.leaveOut -}}
{{- $args = append $args (printf "--leave-out=%s" (join "," .)) -}}
{{- end -}}
{{- if $audit.evict -}}
{{- $args = concat $args (list "--evict" "--yes" (printf "--limit=%d" (int64 $audit.evictionLimit))) -}}
{{- end -}}
{{- toYaml (concat $args (default list $audit.extraArgs)) -}}
{{- end -}}
