{{- define "pod-identity-webhook.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "pod-identity-webhook.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A name of at most 63 characters that ends in a suffix: (list . "test"). */}}
{{- define "pod-identity-webhook.suffixed" -}}
{{- $suffix := index . 1 -}}
{{- $length := int (sub 62 (len $suffix)) -}}
{{- printf "%s-%s" (include "pod-identity-webhook.fullname" (index . 0) | trunc $length | trimSuffix "-") $suffix -}}
{{- end -}}

{{/* Cluster-wide names contain the namespace, so that two releases with the same name do not collide. */}}
{{- define "pod-identity-webhook.clusterRoleName" -}}
{{- printf "%s-%s" (include "pod-identity-webhook.fullname" .) (include "pod-identity-webhook.namespace" .) -}}
{{- end -}}

{{- define "pod-identity-webhook.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "pod-identity-webhook.serviceAccountName" -}}
{{- $made := ternary (include "pod-identity-webhook.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $made .Values.serviceAccount.name -}}
{{- end -}}

{{- define "pod-identity-webhook.configMapName" -}}
{{- default (include "pod-identity-webhook.fullname" .) .Values.config.podIdentityWebhookMap.name -}}
{{- end -}}

{{- define "pod-identity-webhook.image" -}}
{{- $image := .Values.image -}}
{{- $name := empty $image.registry | ternary $image.repository (printf "%s/%s" $image.registry $image.repository) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Whether the image's name begins with a registry, by the rule of image references. Empty if it does not. */}}
{{- define "pod-identity-webhook.imageHasRegistry" -}}
{{- if regexMatch "^(localhost|[^/]*[.:][^/]*)/" (include "pod-identity-webhook.image" .) -}}true{{- end -}}
{{- end -}}

{{/*
Whether only the repository of the Go webhook's image was replaced. Its registries have no image whose name has one part.
Empty if not.
*/}}
{{- define "pod-identity-webhook.imageOfGoRegistry" -}}
{{- if regexMatch "^(docker\\.io|public\\.ecr\\.aws)/[^/]+$" (include "pod-identity-webhook.image" .) -}}true{{- end -}}
{{- end -}}

{{- define "pod-identity-webhook.imagePullSecrets" -}}
{{- range . }}
- name: {{ kindIs "string" . | ternary . (get (kindIs "map" . | ternary . dict) "name") | quote }}
{{- end }}
{{- end -}}

{{- define "pod-identity-webhook.kubeVersion" -}}
{{- default .Capabilities.KubeVersion.Version .Values.kubeVersionOverride -}}
{{- end -}}

{{/* A number or percentage of pods. Without int64, Helm would write large numbers as 1e+06. */}}
{{- define "pod-identity-webhook.intOrPercent" -}}
{{- kindIs "string" . | ternary . (int64 .) -}}
{{- end -}}

{{/* Whether the cluster has this version or a newer one: (list . "1.28"). Empty if it does not. */}}
{{- define "pod-identity-webhook.since" -}}
{{- $version := include "pod-identity-webhook.kubeVersion" (index . 0) -}}
{{- if semverCompare (printf ">=%s-0" (index . 1)) $version }}true{{ end -}}
{{- end -}}
