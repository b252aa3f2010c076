{{/* The namespace of the test. Namespace names are cluster-wide, so it includes the release's own namespace. */}}
{{- define "pod-identity-webhook.testNamespace" -}}
{{- $namespace := include "pod-identity-webhook.namespace" . | trunc 27 | trimSuffix "-" -}}
{{- printf "%s-%s-test" $namespace (include "pod-identity-webhook.fullname" . | trunc 30 | trimSuffix "-") | trimPrefix "-" -}}
{{- end -}}

{{- define "pod-identity-webhook.testRoleArn" -}}
arn:aws:iam::123456789012:role/pod-identity-webhook-test
{{- end -}}

{{/*
Metadata of one of the test's objects: (list . weight namespace). All have the same name, because `helm test --logs` asks
for the log of a pod with each object's name. After the test, Helm removes all of them, except a failed pod, which stays for
its log.
*/}}
{{- define "pod-identity-webhook.testMetadata" -}}
name: {{ include "pod-identity-webhook.suffixed" (list (index . 0) "test") | quote }}
namespace: {{ index . 2 | quote }}
labels:
  {{- include "pod-identity-webhook.labels" (list (index . 0) "test") | nindent 2 }}
annotations:
  {{- include "pod-identity-webhook.testHook" (index . 1) | nindent 2 }}
{{- end -}}

{{- define "pod-identity-webhook.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
{{- end -}}
