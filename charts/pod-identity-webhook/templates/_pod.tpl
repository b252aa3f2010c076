{{- define "pod-identity-webhook.args" -}}
{{- $config := .Values.config -}}
{{- if eq (include "pod-identity-webhook.certificates" .) "self-managed" }}
- --ca-lifetime={{ .Values.pki.selfManaged.caLifetime }}
- --certificate-lifetime={{ .Values.pki.selfManaged.certificateLifetime }}
{{- else }}
- --tls-cert=/etc/webhook/certs/tls.crt
- --tls-key=/etc/webhook/certs/tls.key
{{- if not (and .Values.pki.certManager.enabled .Values.pki.certManager.injectCA) }}
- --tls-ca=/etc/webhook/certs/ca.crt
{{- end }}
{{- end }}
- --port={{ $config.ports.webhook }}
- --metrics-port={{ $config.ports.metrics }}
- --drain-period={{ $config.drainPeriod }}
- --annotation-prefix={{ $config.annotationPrefix }}
- --token-audience={{ $config.tokenAudience }}
- --token-expiration={{ int64 $config.tokenExpiration }}
- --token-mount-path={{ $config.tokenMountPath }}
- --aws-default-region={{ $config.defaultAwsRegion }}
- --sts-regional-endpoint={{ $config.stsRegionalEndpoint }}
{{- if $config.podIdentityWebhookMap.enabled }}
- --watch-config-map=true
- --config-map-name={{ include "pod-identity-webhook.configMapName" . }}
{{- end }}
- --log-format={{ $config.logFormat }}
- --v={{ $config.verbosity }}
{{- with $config.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Which installation this is: as variables, so that `certs` knows it too when it is run in the pod. */}}
{{- define "pod-identity-webhook.env" -}}
{{- $name := include "pod-identity-webhook.fullname" . | quote -}}
- name: PIW_NAMESPACE
  value: {{ include "pod-identity-webhook.namespace" . | quote }}
- name: PIW_SERVICE_NAME
  value: {{ $name }}
- name: PIW_TLS_SECRET
  value: {{ $name }}
- name: PIW_WEBHOOK_CONFIGURATION
  value: {{ $name }}
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
        name: {{ include "pod-identity-webhook.certificateSecret" . }}
        items:
          - {key: tls.crt, path: tls.crt}
          - {key: tls.key, path: tls.key}
          {{- if not $ownCA }}
          - {key: ca.crt, path: ca.crt}
          {{- end }}
    {{- if $ownCA }}
    - configMap:
        name: {{ include "pod-identity-webhook.suffixed" (list . "ca") }}
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

{{/* Whether the disruption budget never lets a pod go, all replicas being ready. As Kubernetes does, parts round up. */}}
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
