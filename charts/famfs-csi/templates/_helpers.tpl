{{/* The name of everything of this release; that of the release itself when it says "famfs-csi". */}}
{{- define "famfs-csi.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "famfs-csi.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* What a selector goes by, never to be changed: the chart and the release. */}}
{{- define "famfs-csi.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "famfs-csi.labels" -}}
{{ include "famfs-csi.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: famfs-csi
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* metadata of an object. Takes (dict "root" $ "name" … "namespaced" true "component" … "labels" {} "annotations" {}). */}}
{{- define "famfs-csi.metadata" -}}
{{- $root := .root -}}
name: {{ .name }}
{{- if .namespaced }}
namespace: {{ include "famfs-csi.namespace" $root }}
{{- end }}
labels:
  {{- include "famfs-csi.labels" $root | nindent 2 }}
  {{- with .component }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (deepCopy (default dict .annotations)) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Reference of an image by its parts; a digest wins over a tag. Takes (dict "root" $ "image" .Values.image "tag" default). */}}
{{- define "famfs-csi.image" -}}
{{- $registry := default .image.registry .root.Values.global.imageRegistry -}}
{{- $repository := ternary (printf "%s/%s" $registry .image.repository) .image.repository (ne $registry "") -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .tag .image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "famfs-csi.driverImage" -}}
{{- include "famfs-csi.image" (dict "root" . "image" .Values.image "tag" .Chart.AppVersion) -}}
{{- end -}}

{{- define "famfs-csi.imagePullSecrets" -}}
{{- with concat .Values.imagePullSecrets .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The options that all roles have. Takes (dict "root" $ "role" .Values.node "port" 8080). */}}
{{- define "famfs-csi.observingArgs" -}}
- --log-level={{ default .root.Values.logging.level .role.logLevel }}
- --log-format={{ .root.Values.logging.format }}
- --metrics-address=:{{ .port }}
{{- end -}}

{{/* Takes the name of the port that serves /healthz and /readyz. */}}
{{- define "famfs-csi.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: {{ . }} }
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: {{ . }} }
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: {{ . }} }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}

{{/* What a workload's pods carry beside its selector. Takes (dict "root" $ "component" … "role" .Values.node). */}}
{{- define "famfs-csi.podMetadata" -}}
labels:
  {{- include "famfs-csi.selectorLabels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- with merge (deepCopy .role.podLabels) .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .component }}
  {{- with merge (deepCopy .role.podAnnotations) .root.Values.commonAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The nodes that have the driver: those of the node DaemonSet and of the mounter's, which have to be the same. */}}
{{- define "famfs-csi.placement" -}}
{{- with .Values.placement.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.placement.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.placement.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* "true" when the setting says so, or leaves it to whether the cluster serves the API. Takes (dict "root" $ "setting" … "api" …). */}}
{{- define "famfs-csi.wanted" -}}
{{- if eq (toString .setting) "auto" -}}
{{- ternary "true" "" (.root.Capabilities.APIVersions.Has .api) -}}
{{- else -}}
{{- ternary "true" "" (eq (toString .setting) "true") -}}
{{- end -}}
{{- end -}}

{{- define "famfs-csi.onOpenShift" -}}
{{- include "famfs-csi.wanted" (dict "root" . "setting" .Values.openshift.enabled "api" "security.openshift.io/v1") -}}
{{- end -}}

{{/*
The user of pods that need no right on any node, in terms of Pod Security "restricted". OpenShift gives each namespace users of its
own, and takes a pod that names another for one that wants more.
*/}}
{{- define "famfs-csi.nobody" -}}
runAsNonRoot: true
{{- if not (include "famfs-csi.onOpenShift" .) }}
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/*
An object of files/ as this release has it. The files are written for the release famfs-csi in the namespace famfs-csi, so
that kubectl and tests take them as they are: names that begin so, and that namespace, become those of this release.
Takes (dict "root" $ "path" … "annotations" {}); gives the objects as YAML documents.
*/}}
{{- define "famfs-csi.ownObjects" -}}
{{- $root := .root -}}
{{- $annotations := merge (deepCopy (default dict .annotations)) $root.Values.commonAnnotations -}}
{{- $text := $root.Files.Get .path -}}
{{- $namespace := include "famfs-csi.namespace" $root -}}
{{- $text = regexReplaceAll "system:serviceaccount:famfs-csi:" $text (printf "system:serviceaccount:%s:" $namespace) -}}
{{- $text = regexReplaceAll "(?m)namespace: famfs-csi$" $text (printf "namespace: %s" $namespace) -}}
{{- $text = regexReplaceAll "\\bfamfs-csi-(\\w)" $text (printf "%s-${1}" (include "famfs-csi.fullname" $root)) -}}
{{- range regexSplit "(?m)^---$" $text -1 }}
{{- $object := fromYaml . }}
{{- if hasKey $object "Error" }}
{{- fail (printf "a file of the chart cannot be read: %s" $object.Error) }}
{{- end }}
{{- if $object }}
{{- $labels := include "famfs-csi.labels" $root | fromYaml }}
{{- $_ := set $object.metadata "labels" (merge $labels (default dict $object.metadata.labels)) }}
{{- with merge (deepCopy (default dict $object.metadata.annotations)) $annotations }}
{{- $_ := set $object.metadata "annotations" . }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The bytes of a quantity such as 64Mi. */}}
{{- define "famfs-csi.bytes" -}}
{{- $units := dict "" 1 "K" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get $units (regexReplaceAll "^[0-9]+" . "") | int64) -}}
{{- end -}}

{{/* Of every container of the driver: a process that starts again finds its code compiled. */}}
{{- define "famfs-csi.environment" -}}
- name: NODE_COMPILE_CACHE
  value: /var/cache/famfs-csi
{{- end -}}
