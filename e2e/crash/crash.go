// Package crash kills, stops, starves and cuts off whole processes of Writ while they repair something, and looks at
// what is left: the run has ended, nothing was done twice, no credential has power, the ledger verifies offline, no
// budget is held, and the next repair of the same service goes through.
//
// The target is the storefront, which runs in the test's process and so outlives every kill; a wire between it and the
// runner keeps the tokens that it sees and counts changes. For a part of the cases it is a Deployment of a real Kubernetes
// control plane, behind a gate that keeps tokens; changes are counted in its audit log. The control plane's state is in
// SQLite or in PostgreSQL. The binary is built with the tag faults; see internal/fault.
//
// go test ./e2e/crash runs the whole matrix, go test -short ./e2e/crash a part of it. See docs/reliability.md.
package crash
