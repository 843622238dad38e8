//go:build !linux

package storetest

import "testing"

const ballast = "ballast"

func mountSmall(*testing.T, string) bool { return false }

func remountReadOnly(t *testing.T, dir string) { t.Helper(); t.Fatal("nothing was mounted") }
