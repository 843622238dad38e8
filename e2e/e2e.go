// Package e2e has no code of its own. Its tests build the writ binary, run it as people would (all parts in one process,
// or control plane, runner and signer as three processes) against a real Kubernetes API server, and look at the cluster,
// its audit log, the ledger and the files from outside.
//
// Only what a process prints, answers or writes counts. Each test has an installation, namespaces and ports of its own;
// processes are ended by their pid. WRIT_TESTBED_KEEP=1 keeps the cluster's folder with everything that they printed.
package e2e
