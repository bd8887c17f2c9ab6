{{/* The name of Deployment and Service. */}}
{{- define "gateway.name" -}}
{{- .Values.fullnameOverride | default "gateway-service" | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "gateway.redisName" -}}
{{- printf "%s-redis" (include "gateway.name" . | trunc 57 | trimSuffix "-") -}}
{{- end }}

{{/* What a Deployment and its Service find pods by; it can never change. */}}
{{- define "gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "gateway.redisLabels" -}}
{{ include "gateway.redisSelectorLabels" . }}
app: {{ include "gateway.redisName" . }}
{{ include "gateway.commonLabels" . }}
{{- end }}

{{- define "gateway.redisSelectorLabels" -}}
app.kubernetes.io/name: redis
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: redis
{{- end }}

{{- define "gateway.crdUpgradeName" -}}
{{- printf "%s-crd-upgrade" (include "gateway.name" . | trunc 51 | trimSuffix "-") -}}
{{- end }}

{{- define "gateway.crdUpgradeLabels" -}}
app: {{ include "gateway.crdUpgradeName" . }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: crd-upgrade
{{ include "gateway.commonLabels" . }}
{{- end }}

{{/* Labels of every object. */}}
{{- define "gateway.commonLabels" -}}
app.kubernetes.io/part-of: kubernaut
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end }}

{{/* Labels of your own; those that pods are found by are not yours to change. */}}
{{- define "gateway.podLabels" -}}
{{- $selectors := include "gateway.selectorLabels" . | fromYaml -}}
{{- range $key, $_ := .Values.podLabels -}}
{{- if or (eq $key "app") (hasKey $selectors $key) -}}
{{- fail (printf "podLabels: %s is what the Service finds pods by; choose another" $key) -}}
{{- end -}}
{{- end -}}
{{- toYaml .Values.podLabels -}}
{{- end }}

{{- define "gateway.labels" -}}
{{ include "gateway.selectorLabels" . }}
app: {{ include "gateway.name" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "gateway.commonLabels" . }}
{{- end }}

{{- define "gateway.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Fails when a setting that is secret has a value of its own, and not a variable's. */}}
{{- define "gateway.refuseSecrets" -}}
{{- range $key, $value := .section -}}
{{- $at := printf "%s.%s" $.at $key -}}
{{- if kindIs "map" $value -}}
{{- include "gateway.refuseSecrets" (dict "at" $at "section" $value) -}}
{{- else if and (regexMatch "(password|secret|token)$" $key) (not (regexMatch "^(\\$\\{[A-Za-z_][A-Za-z0-9_]*\\})?$" (toString $value))) -}}
{{- fail (printf "%s: a secret does not belong into a ConfigMap. Put it into a Secret, and write ${NAME} here, the name of an environment variable (redisPassword, extraEnv)" $at) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The configuration file: the values as they are, and what only the chart knows. */}}
{{- define "gateway.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $redis := $config.redis | default dict -}}
{{- include "gateway.refuseSecrets" (dict "at" "config" "section" $config) -}}
{{- if and .Values.bundledRedis.enabled (not (or $redis.addr $redis.sentinels $redis.cluster_nodes)) -}}
{{- $_ := set $redis "addr" (printf "%s:6379" (include "gateway.redisName" .)) -}}
{{- $_ := set $config "redis" $redis -}}
{{- end -}}
{{- $environment := $config.environment | default dict -}}
{{- if not $environment.configmap_namespace -}}
{{- $_ := set $environment "configmap_namespace" .Release.Namespace -}}
{{- $_ := set $config "environment" $environment -}}
{{- end -}}
{{- if .Values.tls.enabled -}}
{{- $server := $config.server | default dict -}}
{{- $_ := set $server "tls" (merge ($server.tls | default dict) (dict "enabled" true)) -}}
{{- $_ := set $config "server" $server -}}
{{- end -}}
{{- toYaml $config -}}
{{- end }}

{{/* How the gateway is spoken to. */}}
{{- define "gateway.scheme" -}}
{{- $tls := ((.Values.config).server | default dict).tls | default dict -}}
{{- if or .Values.tls.enabled (eq (toString $tls.enabled) "true") -}}https{{- else -}}http{{- end -}}
{{- end }}

{{/* Whether incidents are told apart by owner anywhere, for which the gateway must find owners. */}}
{{- define "gateway.needsOwners" -}}
{{- $identities := list ((.Values.config).fingerprint | default dict).identity -}}
{{- range $source := (.Values.config).adapters | default dict -}}
{{- $identities = append $identities ($source | default dict).identity -}}
{{- end -}}
{{- if or (has "owner" $identities) (has "owner_only" $identities) -}}true{{- end -}}
{{- end }}

{{- define "gateway.watchesEvents" -}}
{{- $adapters := (.Values.config).adapters | default dict -}}
{{- if eq (toString ($adapters.kubernetes_event | default dict).watch) "true" -}}true{{- end -}}
{{- end }}

{{/* Port of an address such as :8080. */}}
{{- define "gateway.port" -}}
{{- $config := .Values.config | default dict -}}
{{- ($config.server | default dict).listen_addr | default ":8080" | regexFind "[0-9]+$" -}}
{{- end }}

{{- define "gateway.metricsPort" -}}
{{- ((.Values.config).metrics | default dict).listen_addr | default ":9090" | regexFind "[0-9]+$" -}}
{{- end }}

{{/* Empty when metrics are switched off. */}}
{{- define "gateway.metricsEnabled" -}}
{{- if ne (toString (get ((.Values.config).metrics | default dict) "enabled")) "false" -}}true{{- end -}}
{{- end }}

{{/* How a probe asks: by HTTP, or whether the port is open when health.enabled is false. */}}
{{- define "gateway.probe" -}}
{{- $health := (.root.Values.config).health | default dict -}}
{{- if eq (toString $health.enabled) "false" -}}
tcpSocket:
  port: http
{{- else -}}
httpGet:
  path: {{ get $health .key | default .path }}
  port: http
  {{- if eq (include "gateway.scheme" .root) "https" }}
  scheme: HTTPS
  {{- end }}
{{- end }}
{{- end }}

{{/* Seconds that a pod has for its end: more than the gateway needs by its own account. */}}
{{- define "gateway.gracePeriod" -}}
{{- if .Values.terminationGracePeriodSeconds -}}
{{ .Values.terminationGracePeriodSeconds }}
{{- else -}}
{{- $start := toDate "2006-01-02" "2000-01-01" -}}
{{- $timeout := ((.Values.config).server | default dict).graceful_shutdown_timeout | default "30s" -}}
{{- add 5 (sub (unixEpoch (mustDateModify $timeout $start)) (unixEpoch $start)) -}}
{{- end -}}
{{- end }}
