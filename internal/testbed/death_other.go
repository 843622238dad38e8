//go:build !linux

package testbed

import "os/exec"

// BUG: only Linux can tie a process to its parent; elsewhere a test binary that is killed leaves its cluster behind.
func dieWithParent(*exec.Cmd) {}
