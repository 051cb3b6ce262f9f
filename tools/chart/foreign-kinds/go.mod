module famfs.io/famfs-csi/tools/chart/foreign-kinds

go 1.26.0

// Not compiled: they hold definitions of kinds that the chart makes objects of where a cluster has them.
require (
	github.com/openshift/api v0.0.0-20260716173118-05da40ea9855
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
