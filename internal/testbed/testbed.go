// Package testbed runs the real programs that Writ's tests work against: etcd, a Kubernetes API server with its
// controller manager and scheduler, and kwok, which plays three nodes and the pods on them. Everything but the
// machines is real: RBAC, tokens, admission, rollouts, the audit log.
//
// A test package starts one cluster, on first use, and each of its tests takes a namespace of its own:
//
//	var shared testbed.Shared
//
//	func TestMain(m *testing.M) { testbed.Main(m, &shared) }
//
//	func TestRollback(t *testing.T) {
//		c := shared.Cluster(t)
//		ns := c.Namespace(t)
//		c.Deployment(t, ns, "api", "api:1", 3)
//		c.RollOut(t, ns, "api", "api:broken") // stays in ImagePullBackOff
//		…
//	}
//
// What cannot be started fails the test that needs it, with what was tried; nothing is skipped. All listeners are on
// free ports of 127.0.0.1. Processes are ended by their own pid, and on Linux they die with the test binary, however
// that ends. The programs come from the module in kubebox, built once and kept in the user's cache directory.
package testbed
