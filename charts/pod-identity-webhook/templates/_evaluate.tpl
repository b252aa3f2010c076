{{/*
Evaluates the templates in values, in place. Each file includes it first. Keys and texts anywhere may
be templates, as in the popular chart for the Go webhook. It does not change `global`, which belongs to the parent chart;
extra objects, which another template evaluates as a whole; and alerting rules, whose templates are for Prometheus.
*/}}
{{- define "pod-identity-webhook.evaluate" -}}
{{- range $key, $value := omit .Values "global" "extraObjects" -}}
{{- if contains "{{" (toJson $value) -}}
{{- $rules := dict -}}
{{- if eq $key "metrics" -}}
{{- $rules = $value.prometheusRule -}}
{{- $value = omit $value "prometheusRule" -}}
{{- end -}}
{{- $made := get (include "pod-identity-webhook.evaluated" (list $ $value) | fromJson) "made" -}}
{{- if eq $key "metrics" -}}
{{- $_ := set $made "prometheusRule" $rules -}}
{{- end -}}
{{- $_ := set $.Values $key $made -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Evaluates the templates in a value. Returns JSON with the result in the member `made`: (list . value). */}}
{{- define "pod-identity-webhook.evaluated" -}}
{{- $root := index . 0 -}}
{{- $value := index . 1 -}}
{{- if kindIs "map" $value -}}
{{- $made := dict -}}
{{- range $key, $one := $value -}}
{{- $_ := set $made (tpl $key $root) (get (include "pod-identity-webhook.evaluated" (list $root $one) | fromJson) "made") -}}
{{- end -}}
{{- dict "made" $made | toJson -}}
{{- else if kindIs "slice" $value -}}
{{- $made := list -}}
{{- range $one := $value -}}
{{- $made = append $made (get (include "pod-identity-webhook.evaluated" (list $root $one) | fromJson) "made") -}}
{{- end -}}
{{- dict "made" $made | toJson -}}
{{- else if kindIs "string" $value -}}
{{- dict "made" (tpl $value $root) | toJson -}}
{{- else -}}
{{- dict "made" $value | toJson -}}
{{- end -}}
{{- end -}}
