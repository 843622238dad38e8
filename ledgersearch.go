package writ

import "time"

// An EntryFilter selects ledger entries; empty members select all.
type EntryFilter struct {
	Kind     EntryKind
	Incident IncidentID
	Actor    string    // subject of whoever signed the entry, or of whom it names; its last part will do
	Since    time.Time // by the author's clock
	Until    time.Time
	Limit    int    // 0 means DefaultPage
	Cursor   string // of the page before
}
