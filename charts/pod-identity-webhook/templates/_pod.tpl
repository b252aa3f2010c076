{{/* The arguments of serve. toYaml writes them, so that each stays one argument whatever it contains. */}}
{{- define "pod-identity-webhook.args" -}}
{{- $config := .Values.config -}}
{{- $args := list -}}
{{- if eq (include "pod-identity-webhook.certificates" .) "self-managed" -}}
{{- $args = list
  (printf "--ca-lifetime=%s" .Values.pki.selfManaged.caLifetime)
  (printf "--certificate-lifetime=%s" .Values.pki.selfManaged.certificateLifetime) -}}
{{- else -}}
{{- $args = list "--tls-cert=/etc/webhook/certs/tls.crt" "--tls-key=/etc/webhook/certs/tls.key" -}}
{{- if include "pod-identity-webhook.writesCABundle" . -}}
{{- $args = append $args "--tls-ca=/etc/webhook/certs/ca.crt" -}}
{{- end -}}
{{- end -}}
{{- $args = concat $args (list
  (printf "--port=%d" (int64 $config.ports.webhook))
  (printf "--metrics-port=%d" (int64 $config.ports.metrics))
  (printf "--drain-period=%s" $config.drainPeriod)
  (printf "--annotation-prefix=%s" $config.annotationPrefix)
  (printf "--token-audience=%s" $config.tokenAudience)
  (printf "--token-expiration=%d" (int64 $config.tokenExpiration))
  (printf "--token-mount-path=%s" $config.tokenMountPath)
  (printf "--aws-default-region=%s" (default "" $config.defaultAwsRegion))
  (printf "--sts-regional-endpoint=%t" $config.stsRegionalEndpoint)) -}}
{{- if $config.podIdentityWebhookMap.enabled -}}
{{- $name := include "pod-identity-webhook.configMapName" . -}}
{{- $args = concat $args (list "--watch-config-map=true" (printf "--config-map-name=%s" $name)) -}}
{{- end -}}
{{- $args = concat $args (list
  (printf "--log-format=%s" $config.logFormat)
  (printf "--v=%d" (int64 $config.verbosity))) -}}
{{- toYaml (concat $args (default list $config.extraArgs)) -}}
{{- end -}}

{{/* The names of this installation and who makes its certificate, as variables, so that `certs` in the pod knows them. */}}
{{- define "pod-identity-webhook.env" -}}
{{- $name := include "pod-identity-webhook.fullname" . -}}
- name: PIW_NAMESPACE
  value: {{ include "pod-identity-webhook.namespace" . | quote }}
- name: PIW_SERVICE_NAME
  value: {{ $name | quote }}
- name: PIW_TLS_SECRET
  value: {{ $name | quote }}
- name: PIW_WEBHOOK_CONFIGURATION
  value: {{ $name | quote }}
{{- $certificates := include "pod-identity-webhook.certificates" . }}
{{- if ne $certificates "self-managed" }}
- name: PIW_CERTIFICATE_KIND
  value: {{ $certificates | quote }}
- name: PIW_CERTIFICATE_SECRET
  value: {{ include "pod-identity-webhook.certificateSecret" . | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The certificate's files in one volume, so that they change together. */}}
{{- define "pod-identity-webhook.certificateVolume" -}}
{{- $ownCA := and (eq (include "pod-identity-webhook.certificates" .) "existing-secret") .Values.pki.caBundle -}}
name: certificate
projected:
  defaultMode: 0440
  sources:
    - secret:
        name: {{ include "pod-identity-webhook.certificateSecret" . | quote }}
        items:
          - {key: tls.crt, path: tls.crt}
          - {key: tls.key, path: tls.key}
          {{- if not $ownCA }}
          - {key: ca.crt, path: ca.crt}
          {{- end }}
    {{- if $ownCA }}
    - configMap:
        name: {{ include "pod-identity-webhook.suffixed" (list . "ca") | quote }}
        items:
          - {key: ca.crt, path: ca.crt}
    {{- end }}
{{- end -}}

{{- define "pod-identity-webhook.strategy" -}}
{{- if .Values.strategy -}}
{{- toYaml .Values.strategy -}}
{{- else -}}
type: RollingUpdate
rollingUpdate:
  maxSurge: {{ .Values.hostNetwork | ternary 0 1 }}
  maxUnavailable: {{ .Values.hostNetwork | ternary 1 0 }}
{{- end -}}
{{- end -}}

{{- define "pod-identity-webhook.topologySpreadConstraints" -}}
{{- if .Values.topologySpreadConstraints -}}
{{- toYaml .Values.topologySpreadConstraints -}}
{{- else -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "pod-identity-webhook.selectorLabels" $ | nindent 6 }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "pod-identity-webhook.tolerations" -}}
{{- range $key := .Values.tolerateControlPlane | ternary (list "node-role.kubernetes.io/control-plane" "node-role.kubernetes.io/master") list }}
- {key: {{ $key }}, operator: Exists, effect: NoSchedule}
{{- end }}
{{- with .Values.tolerations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Whether the disruption budget never allows an eviction, even if all replicas are ready. Percentages round up, as in Kubernetes. */}}
{{- define "pod-identity-webhook.neverEvicts" -}}
{{- $budget := .Values.podDisruptionBudget -}}
{{- $replicas := .Values.autoscaling.enabled | ternary .Values.autoscaling.maxReplicas .Values.replicaCount | int -}}
{{- $least := toString $budget.minAvailable -}}
{{- if has $least (list "<nil>" "") -}}
{{- $least = has (toString $budget.maxUnavailable) (list "0" "0%") | ternary "100%" "0" -}}
{{- end -}}
{{- if hasSuffix "%" $least -}}
{{- $least = div (add (mul (trimSuffix "%" $least | int) $replicas) 99) 100 -}}
{{- end -}}
{{- if and $budget.enabled $replicas (ge (int $least) $replicas) -}}true{{- end -}}
{{- end -}}
