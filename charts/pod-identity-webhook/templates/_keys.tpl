{{/*
Refuses a key that the chart does not have, and names the nearest one. files/keys.json has all keys: `make docs` writes it
from the schema. The schema accepts unknown keys, because Helm would stop at the schema and name no other key.
*/}}
{{- define "pod-identity-webhook.checkKeys" -}}
{{- include "pod-identity-webhook.checkKeysAt" (list .Values "" (.Files.Get "files/keys.json" | fromJson)) -}}
{{- end -}}

{{/* The same for one map of values: (list values place known). */}}
{{- define "pod-identity-webhook.checkKeysAt" -}}
{{- $place := index . 1 -}}
{{- $known := index . 2 -}}
{{- range $key, $value := index . 0 -}}
{{- $path := printf "%s%s" $place $key -}}
{{- if not (has $key (get $known $place)) -}}
{{- $hint := include "pod-identity-webhook.meant" (list $key $place $known) -}}
{{- include "pod-identity-webhook.refuse" (printf "values: %s is no value of this chart; %s" $path $hint) -}}
{{- end -}}
{{- $below := printf "%s." $path -}}
{{- if and (kindIs "map" $value) (hasKey $known $below) -}}
{{- include "pod-identity-webhook.checkKeysAt" (list $value $below $known) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Fails with a message. `helm lint` ignores `fail`, so a template without this name makes it fail too. */}}
{{- define "pod-identity-webhook.refuse" -}}
{{- fail . -}}
{{- include . "" -}}
{{- end -}}

{{/*
What may be meant by an unknown key: a key beside it but for two letters, or the only key elsewhere with about this name, or
a similar key beside it, or any of the keys beside it: (list key place known).
*/}}
{{- define "pod-identity-webhook.meant" -}}
{{- $key := index . 0 -}}
{{- $place := index . 1 -}}
{{- $known := index . 2 -}}
{{- $typo := "" -}}
{{- $similar := "" -}}
{{- $best := 1000 -}}
{{- range $other := get $known $place -}}
{{- $shared := include "pod-identity-webhook.sharedStart" (list $key $other) | int -}}
{{- $distance := include "pod-identity-webhook.distance" (list $key $other) | int -}}
{{- $isSimilar := or (le (mul 2 $distance) (max (len $key) (len $other))) (ge $shared 4) -}}
{{- if and $isSimilar (lt (sub $distance $shared | int) $best) -}}
{{- $best = sub $distance $shared | int -}}
{{- $similar = printf "%s%s" $place $other -}}
{{- $typo = le $distance 2 | ternary $similar "" -}}
{{- end -}}
{{- end -}}
{{- $elsewhere := list -}}
{{- if not $typo -}}
{{- range $where, $keys := $known -}}
{{- range $other := $keys -}}
{{- if le (include "pod-identity-webhook.distance" (list $key $other) | int) (div (len $key) 5 | int) -}}
{{- $elsewhere = append $elsewhere (printf "%s%s" $where $other) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $found := eq (len $elsewhere) 1 | ternary (first $elsewhere) $similar | default $similar -}}
{{- if or $typo $found -}}
{{- printf "%s may be meant" (default $found $typo) -}}
{{- else if $place -}}
{{- printf "%s has %s" (trimSuffix "." $place) (get $known $place | join ", ") -}}
{{- else -}}
the table in its README has all of them
{{- end -}}
{{- end -}}

{{/* How many letters two words begin with in common, whatever their case: (list "one" "other"). */}}
{{- define "pod-identity-webhook.sharedStart" -}}
{{- $one := index . 0 | lower -}}
{{- $other := index . 1 | lower -}}
{{- $shared := 0 -}}
{{- range $length := untilStep 1 (int (add1 (len $one))) 1 -}}
{{- if hasPrefix (trunc $length $one) $other -}}
{{- $shared = $length -}}
{{- end -}}
{{- end -}}
{{- $shared -}}
{{- end -}}

{{/* The Levenshtein distance of two words, whatever their case: (list "one" "other"). One row of its table at a time. */}}
{{- define "pod-identity-webhook.distance" -}}
{{- $others := index . 1 | lower | splitList "" -}}
{{- $row := untilStep 0 (int (add1 (len $others))) 1 -}}
{{- range $number, $letter := index . 0 | lower | splitList "" -}}
{{- $left := add1 $number -}}
{{- $next := list $left -}}
{{- range $column, $other := $others -}}
{{- $replaced := add (index $row $column) (eq $letter $other | ternary 0 1) -}}
{{- $left = min $replaced (add1 $left) (add1 (index $row (int (add1 $column)))) -}}
{{- $next = append $next $left -}}
{{- end -}}
{{- $row = $next -}}
{{- end -}}
{{- last $row -}}
{{- end -}}
