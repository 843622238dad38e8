package kubernetes

import (
	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Operations.
const (
	Rollback     writ.OperationName = "kubernetes/workload.rollback"
	Restart      writ.OperationName = "kubernetes/workload.restart"
	Scale        writ.OperationName = "kubernetes/workload.scale"
	SetResources writ.OperationName = "kubernetes/workload.set_resources"
	DeletePod    writ.OperationName = "kubernetes/pod.delete"
	Cordon       writ.OperationName = "kubernetes/node.cordon"
	Uncordon     writ.OperationName = "kubernetes/node.uncordon"
)

// Readers.
const (
	WorkloadStatus  writ.OperationName = "kubernetes/workload.status"
	WorkloadHistory writ.OperationName = "kubernetes/workload.history"
	GetObject       writ.OperationName = "kubernetes/object.get"
	ListPods        writ.OperationName = "kubernetes/pods.list"
	ListEvents      writ.OperationName = "kubernetes/events.list"
	PodLogs         writ.OperationName = "kubernetes/pod.logs"
	NodeStatus      writ.OperationName = "kubernetes/node.status"
)

// Bounds of parameters.
const (
	maxRevision = 1_000_000 // beyond any deployment's life
	maxReplicas = 500       // a workload above it is no matter of one repair
	maxLines    = 2000      // of a log: what a person can go through
	askedLines  = 200       // lines of a log when nobody says how many
)

// Catalogue is the same for every cluster.
func Catalogue() connector.Catalogue {
	return connector.Catalogue{Plane: Plane, Operations: operations(), Readers: readers()}
}

var (
	paramNamespace = connector.Parameter{Name: "namespace", Type: connector.TypeName, Title: "namespace"}
	paramName      = connector.Parameter{Name: "name", Type: connector.TypeName, Title: "name of the object"}
)

func paramKind(values ...string) connector.Parameter {
	return connector.Parameter{Name: "kind", Type: connector.TypeEnum, Title: "kind of the object", Values: values}
}

func quantity(name, title string) connector.Parameter {
	return connector.Parameter{Name: name, Type: connector.TypeQuantity, Title: title, Optional: true}
}

func operations() []connector.Operation {
	return []connector.Operation{
		{
			Name: Rollback, Title: "Roll a workload back to an earlier revision of its pods; the number of replicas stays",
			Parameters: []connector.Parameter{
				paramKind("deployment"), paramNamespace, paramName,
				{Name: "revision", Type: connector.TypeInteger, Title: "revision to go back to; 0 is the one before", Optional: true, Max: maxRevision},
			},
			Tier: writ.T1, Inverse: writ.InverseReplace, Rights: []string{"get and patch the one workload"},
		},
		{
			Name: Restart, Title: "Restart the pods of a workload, as its own strategy paces it",
			Parameters: []connector.Parameter{paramKind(workloads...), paramNamespace, paramName},
			Tier:       writ.T1, Inverse: writ.InverseReplace, Rights: []string{"get and patch the one workload"},
		},
		{
			Name: Scale, Title: "Set the number of replicas of a workload",
			Parameters: []connector.Parameter{
				paramKind("deployment", "statefulset"), paramNamespace, paramName,
				{Name: "replicas", Type: connector.TypeInteger, Title: "wanted number of replicas", Max: maxReplicas},
			},
			Tier: writ.T1, Inverse: writ.InverseReplace, Rights: []string{"get and patch the one workload"},
		},
		{
			Name: SetResources, Title: "Set what one container of a workload requests and may use",
			Parameters: []connector.Parameter{
				paramKind(workloads...), paramNamespace, paramName,
				{Name: "container", Type: connector.TypeName, Title: "name of the container"},
				quantity("cpu_request", "CPU that is kept for it"), quantity("cpu_limit", "CPU that it may use"),
				quantity("memory_request", "memory that is kept for it"), quantity("memory_limit", "memory that it may use"),
			},
			Tier: writ.T2, Inverse: writ.InverseReplace, Rights: []string{"get and patch the one workload"},
		},
		{
			Name: DeletePod, Title: "Delete one pod, which its controller makes again",
			Parameters: []connector.Parameter{paramNamespace, paramName},
			Tier:       writ.T1, Inverse: writ.InverseRecreated, Rights: []string{"get and delete the one pod"},
		},
		{
			Name: Cordon, Title: "Keep new pods away from a node", Parameters: []connector.Parameter{paramName},
			Tier: writ.T2, Inverse: writ.InverseReplace, Rights: []string{"get and patch the one node"},
		},
		{
			Name: Uncordon, Title: "Let new pods onto a node again", Parameters: []connector.Parameter{paramName},
			Tier: writ.T2, Inverse: writ.InverseReplace, Rights: []string{"get and patch the one node"},
		},
	}
}

func integer(name, title string) connector.Fact {
	return connector.Fact{Name: name, Type: connector.TypeInteger, Title: title}
}

func truth(name, title string) connector.Fact {
	return connector.Fact{Name: name, Type: connector.TypeBool, Title: title}
}

func readers() []connector.Reader {
	return []connector.Reader{
		{
			Name: WorkloadStatus, Title: "How a workload is doing", Writable: true, Fields: statusFields,
			Parameters: []connector.Parameter{paramKind(workloads...), paramNamespace, paramName},
			Facts: []connector.Fact{
				integer("replicas", "wanted replicas"), integer("ready_replicas", "ready replicas"),
				integer("ready_permille", "ready share of the wanted replicas, at most 1000"),
				integer("updated_replicas", "replicas of the newest revision"), integer("unavailable", "wanted replicas that are not available"),
				truth("complete", "the newest revision is fully rolled out"), integer("revision", "newest revision; 0 if the kind has none"),
				truth("generation_observed", "the cluster has taken note of the newest change"), truth("paused", "rolling out is paused"),
			},
		},
		{
			Name: WorkloadHistory, Title: "Revisions of a workload that are kept, with their images", Writable: true, Fields: historyFields,
			Parameters: []connector.Parameter{paramKind("deployment"), paramNamespace, paramName},
			Facts: []connector.Fact{
				integer("revisions", "revisions kept"), integer("current", "revision in use"), integer("previous", "revision that a rollback goes to; 0 if none"),
				truth("unavailable_before_revision", "it has lacked available replicas since before the revision in use; absent if unknown"),
				integer("unready_before_revision", "pods that have not been ready since before the revision in use; absent if unknown"),
			},
		},
		{
			Name: GetObject, Title: "One object as the cluster has it, without secrets", Writable: true, Fields: objectFields,
			Parameters: []connector.Parameter{
				paramKind(readable...),
				{Name: "namespace", Type: connector.TypeName, Title: "namespace; none for a node", Optional: true}, paramName,
			},
			Facts: []connector.Fact{integer("generation", "how often what is wanted of it has changed"), truth("deleting", "it is being deleted")},
		},
		{
			Name: ListPods, Title: "Pods of a workload", Writable: true, Fields: podFields,
			Parameters: []connector.Parameter{paramKind(append([]string{"replicaset"}, workloads...)...), paramNamespace, paramName},
			Facts: []connector.Fact{
				integer("pods", "pods"), integer("ready", "pods that are ready"), integer("unready", "pods that are not ready"),
				integer("waiting", "pods with a container that waits to start"),
				integer("restarts", "restarts of all containers together"),
			},
		},
		{
			Name: ListEvents, Title: "What the cluster reported about an object", Writable: true,
			Parameters: []connector.Parameter{paramKind("deployment", "statefulset", "daemonset", "replicaset", "pod"), paramNamespace, paramName},
			Facts:      []connector.Fact{integer("events", "events"), integer("warnings", "events that warn")},
		},
		{
			Name: PodLogs, Title: "The last lines that a pod wrote", Writable: true,
			Parameters: []connector.Parameter{
				paramNamespace, paramName,
				{Name: "container", Type: connector.TypeName, Title: "container; may be left out if the pod has one", Optional: true},
				{Name: "lines", Type: connector.TypeInteger, Title: "lines from the end", Optional: true, Min: 1, Max: maxLines},
				{Name: "previous", Type: connector.TypeBool, Title: "of the container before its last restart", Optional: true},
			},
			Facts: []connector.Fact{integer("lines", "lines read")},
		},
		{
			Name: NodeStatus, Title: "How a node is doing", Parameters: []connector.Parameter{paramName},
			Facts: []connector.Fact{truth("ready", "the node is ready"), truth("schedulable", "new pods may come to it"), truth("pressure", "it is short of memory, disk or process ids")},
		},
	}
}
