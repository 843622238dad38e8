package kubernetes

// Fields of readings that tenants, workloads and whoever talks to them can write. What is not listed is written by the
// cluster's own parts, or is what the service's owners deployed. Events and logs have no table: all of them is foreign,
// since whoever may create events writes each of their fields.
var (
	statusFields  = []string{"status.conditions"} // controllers repeat in their messages what they were given
	historyFields = []string{"change_cause"}      // an annotation
	podFields     = []string{
		"containers.state", "containers.last_state", // a container writes its own termination message
	}
	objectFields = []string{
		"metadata.annotations", "metadata.labels", "metadata.managedFields", "metadata.generateName",
		"spec.template.metadata.annotations", "spec.template.metadata.labels",
		"status", // with messages of containers, admission and controllers that repeat what they were given
		"data", "binaryData",
	}
)
