package server

import (
	"fmt"
	"os"
)

// replicaName is what people call this process among the replicas of its control plane: the machine's name and the process's
// number. What tells replicas apart is another, random name.
func replicaName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}
