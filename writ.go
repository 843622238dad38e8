// Package writ holds the nouns of Writ: incidents, evidence, plans, decisions, approvals, grants, runs, leases and
// ledger entries, with their identifiers, digests, closed state tables, reason codes and error kinds.
//
// It does no I/O, starts no goroutine and reads no clock. Values are parsed at the door by the Parse functions or by
// UnmarshalText; below the door they are trusted. The zero value of every identifier, digest and state is invalid.
//
// Formats that are digested, signed or stored (Plan, ApprovalStatement, GrantClaims, Record) are canonical JSON
// (RFC 8785) through internal/canon; docs/spec describes them and testdata/vectors holds golden examples.
package writ

import "time"

// FormatVersion is the value of every stored format's "v" member. Readers of older versions stay for ever.
const FormatVersion = 1

// Instant returns t as stored formats keep time: UTC, whole milliseconds.
func Instant(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
