{{/*
One entry of the MutatingWebhookConfiguration: a map of root, name, path, failurePolicy, and the label expressions that
select its namespaces and pods. It has no caBundle: the webhook writes the caBundle, and no upgrade may change it.
*/}}
{{- define "pod-identity-webhook.entry" -}}
{{- $values := .root.Values.mutatingWebhook -}}
- name: {{ .name }}
  admissionReviewVersions: ["v1", "v1beta1"]
  clientConfig:
    service:
      name: {{ include "pod-identity-webhook.fullname" .root | quote }}
      namespace: {{ include "pod-identity-webhook.namespace" .root | quote }}
      path: {{ .path }}
      port: 443
  rules:
    - apiGroups: [""]
      apiVersions: ["v1"]
      operations: ["CREATE"]
      resources: ["pods"]
      scope: "*"
  failurePolicy: {{ .failurePolicy }}
  matchPolicy: Equivalent
  reinvocationPolicy: {{ $values.reinvocationPolicy }}
  sideEffects: None
  timeoutSeconds: {{ int64 $values.timeoutSeconds }}
  namespaceSelector:
    {{- include "pod-identity-webhook.selector" (list $values.namespaceSelector .namespaces) | trim | nindent 4 }}
  objectSelector:
    {{- include "pod-identity-webhook.selector" (list $values.objectSelector .objects) | trim | nindent 4 }}
  {{- if and $values.matchConditions (include "pod-identity-webhook.since" (list .root "1.28")) }}
  matchConditions:
    {{- toYaml $values.matchConditions | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* A user's label selector and our expressions, joined by AND: (list selector expressions). */}}
{{- define "pod-identity-webhook.selector" -}}
{{- $theirs := default dict (index . 0) -}}
{{- with $theirs.matchLabels }}
matchLabels:
  {{- toYaml . | nindent 2 }}
{{- end }}
matchExpressions:
  {{- toYaml (concat (index . 1) (default list $theirs.matchExpressions)) | nindent 2 }}
{{- end -}}
