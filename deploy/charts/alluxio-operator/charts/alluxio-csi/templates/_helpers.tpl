{{- define "alluxio.labels" -}}
app.kubernetes.io/name: alluxio-csi
app.kubernetes.io/part-of: alluxio
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* What selects the pods of a component. Never changes: selectors of workloads cannot be changed. */}}
{{- define "alluxio.selector" -}}
app.kubernetes.io/name: alluxio-csi
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "alluxio.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "alluxio.image" -}}
image: {{ printf "%s:%s" .Values.global.image .Values.global.imageTag | quote }}
imagePullPolicy: {{ .Values.global.imagePullPolicy }}
{{- end }}

{{/* Where the driver's own state is on a node, and in its containers. The registrar's path is a well-known one. */}}
{{- define "alluxio.stateDir" -}}
{{ .Values.kubeletDir }}/plugins/csi-alluxio-plugin
{{- end }}

{{- define "alluxio.logArguments" -}}
- --log-level={{ .Values.logLevel }}
- --log-format={{ .Values.logFormat }}
{{- end }}

{{- define "alluxio.metricsArguments" -}}
{{- if .Values.metrics.enabled }}
- --metrics-address=:{{ .Values.metrics.port }}
{{- end }}
{{- end }}

{{/* Of pods with metrics, beside their own. */}}
{{- define "alluxio.podAnnotations" -}}
{{- with merge (dict) .own (ternary .metrics.annotations (dict) .metrics.enabled) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Asks the program itself. Ready is who can use its registry and state folder; neither asks the mounter. */}}
{{- define "alluxio.probe" -}}
httpGet:
  path: {{ . }}
  port: metrics
initialDelaySeconds: 5
periodSeconds: 10
timeoutSeconds: 5
{{- end }}

{{- define "alluxio.resources" -}}
{{- with . }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Of containers that need nothing: no capability, no new privileges, no file written. */}}
{{- define "alluxio.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Volumes with under file systems, and where they are mounted. */}}
{{- define "alluxio.ufsVolumes" -}}
{{- range $i, $path := keys .Values.ufs.hostPaths | sortAlpha }}
- name: ufs-host-{{ $i }}
  hostPath:
    path: {{ $path | quote }}
    type: Directory
{{- end }}
{{- range $i, $name := keys .Values.ufs.pvcMounts | sortAlpha }}
- name: ufs-claim-{{ $i }}
  persistentVolumeClaim:
    claimName: {{ $name | quote }}
{{- end }}
{{- end }}

{{/* The same of files that clients of object stores need. Readable for all: a FUSE process of a bucket is nobody. */}}
{{- define "alluxio.fileVolumes" -}}
{{- range $i, $name := keys .Values.ufs.secrets | sortAlpha }}
- name: secret-{{ $i }}
  secret:
    secretName: {{ $name | quote }}
    defaultMode: 0444
{{- end }}
{{- range $i, $name := keys .Values.ufs.configMaps | sortAlpha }}
- name: config-{{ $i }}
  configMap:
    name: {{ $name | quote }}
{{- end }}
{{- end }}

{{- define "alluxio.ufsMounts" -}}
{{- $ufs := .Values.ufs }}
{{- range $i, $path := keys $ufs.hostPaths | sortAlpha }}
- name: ufs-host-{{ $i }}
  mountPath: {{ get $ufs.hostPaths $path | quote }}
  # What is mounted there on the node later on is seen as well.
  mountPropagation: HostToContainer
{{- end }}
{{- range $i, $name := keys $ufs.pvcMounts | sortAlpha }}
- name: ufs-claim-{{ $i }}
  mountPath: {{ get $ufs.pvcMounts $name | quote }}
{{- end }}
{{- end }}

{{- define "alluxio.fileMounts" -}}
{{- $ufs := .Values.ufs }}
{{- range $i, $name := keys $ufs.secrets | sortAlpha }}
- name: secret-{{ $i }}
  mountPath: {{ get $ufs.secrets $name | quote }}
  readOnly: true
{{- end }}
{{- range $i, $name := keys $ufs.configMaps | sortAlpha }}
- name: config-{{ $i }}
  mountPath: {{ get $ufs.configMaps $name | quote }}
  readOnly: true
{{- end }}
{{- end }}

{{/* Where the pods of both DaemonSets run. */}}
{{- define "alluxio.nodes" -}}
priorityClassName: {{ .Values.nodes.priorityClassName }}
{{- with .Values.nodes.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodes.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $tolerations := .Values.nodes.tolerations }}
{{- with .Values.nodePlugin.startupTaint }}
{{- if .enabled }}
{{- /* Whatever else is tolerated: who removes the taint must run beside it. */}}
{{- $tolerations = append $tolerations (dict "key" .key "operator" "Exists") }}
{{- end }}
{{- end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
