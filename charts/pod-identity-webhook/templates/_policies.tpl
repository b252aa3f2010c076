{{/*
Whether the cluster has ValidatingAdmissionPolicies. Empty if it does not. If the user gave a version, that alone decides,
because without a cluster Helm does not know which kinds exist.
*/}}
{{- define "pod-identity-webhook.hasPolicies" -}}
{{- if .Values.kubeVersionOverride -}}
{{- include "pod-identity-webhook.since" (list . "1.30") -}}
{{- else if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" -}}
true
{{- end -}}
{{- end -}}

{{/* The binding of a policy of the same name: (list . "name" "action"). */}}
{{- define "pod-identity-webhook.policyBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ index . 1 | quote }}
  labels:
    {{- include "pod-identity-webhook.labels" (list (index . 0) "webhook") | nindent 4 }}
spec:
  policyName: {{ index . 1 | quote }}
  validationActions: [{{ index . 2 }}]
{{- end -}}

{{/*
CEL: two maps have the same keys and values, except for some keys: (list "one" "other" "CEL list of keys"). It compares all
fields, including those that later versions of Kubernetes add. It needs `dyn`, because CEL cannot iterate over an object of
a known type.
*/}}
{{- define "pod-identity-webhook.celSameBut" -}}
{{- $one := index . 0 -}}{{- $other := index . 1 -}}{{- $keys := index . 2 -}}
dyn({{ $one }}).all(key, key in {{ $keys }} || (key in dyn({{ $other }}) && dyn({{ $one }})[key] == dyn({{ $other }})[key]))
&& dyn({{ $other }}).all(key, key in {{ $keys }} || key in dyn({{ $one }}))
{{- end -}}

{{/* Whether the webhook composes role ARNs from bare names. The last such argument decides; without one, the variables decide. */}}
{{- define "pod-identity-webhook.composesRoleArn" -}}
{{- $composes := "" -}}
{{- range .Values.extraEnv -}}
{{- if eq .name "PIW_COMPOSE_ROLE_ARN" -}}
{{- $composes = get . "value" -}}
{{- end -}}
{{- end -}}
{{- range .Values.config.extraArgs -}}
{{- if regexMatch "^--?compose[-_]role[-_]arn(=.*)?$" . -}}
{{- $composes = contains "=" . | ternary (splitn "=" 2 .)._1 "true" -}}
{{- end -}}
{{- end -}}
{{- if has $composes (list "1" "t" "T" "TRUE" "true" "True") -}}true{{- end -}}
{{- end -}}
