{{/*
The rules of the Role: what the webhook needs in its namespace, with the certificates and role mappings of these values. Empty
if it needs nothing, or if the user creates the roles.
*/}}
{{- define "pod-identity-webhook.roleRules" -}}
{{- if .Values.rbac.create -}}
{{- if include "pod-identity-webhook.writesCABundle" . }}
- apiGroups: [""]
  resources: ["secrets"]
  resourceNames: [{{ include "pod-identity-webhook.fullname" . | quote }}]
  verbs: ["get", "list", "watch", "patch"]
{{- end }}
{{- if eq (include "pod-identity-webhook.certificates" .) "self-managed" }}
# To re-create the Secret if somebody deletes it. RBAC cannot limit creation to a name.
- apiGroups: [""]
  resources: ["secrets"]
  verbs: ["create"]
{{- end }}
{{- if ne (include "pod-identity-webhook.certificates" .) "self-managed" }}
# For `certs show` in the pod. The pods have the content of this Secret as files.
- apiGroups: [""]
  resources: ["secrets"]
  resourceNames: [{{ include "pod-identity-webhook.certificateSecret" . | quote }}]
  verbs: ["get"]
{{- end }}
{{- if .Values.config.podIdentityWebhookMap.enabled }}
- apiGroups: [""]
  resources: ["configmaps"]
  resourceNames: [{{ include "pod-identity-webhook.configMapName" . | quote }}]
  verbs: ["list", "watch"]
{{- end }}
{{- end -}}
{{- end -}}
