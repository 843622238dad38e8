package store

import (
	"fmt"

	"github.com/writ-dev/writ"
)

// A Table is one noun's rows; closed.
type Table string

const (
	Incidents    Table = "incident" // Key is the group key; one open incident per key
	Evidence     Table = "evidence"
	Proposals    Table = "proposal"
	Plans        Table = "plan"
	Decisions    Table = "decision"
	Approvals    Table = "approval"
	Grants       Table = "grant"
	Runs         Table = "run"
	Leases       Table = "lease"
	Freezes      Table = "freeze"
	Assignments  Table = "assignment"
	Reservations Table = "reservation"
	Idempotency  Table = "idempotency" // Key is unique
	Nonces       Table = "nonce"       // Key is unique
	Agents       Table = "agentrecord"
	Cells        Table = "cell"       // ID is the runner's; which process works for it
	Timeline     Table = "timeline"   // which entries belong to which incident
	Locks        Table = "lock"       // ID is the object that one run may write, Key the run
	Attempts     Table = "attempt"    // Key is what was attempted, Due when it no longer matters
	HandOffs     Table = "handoff"    // Key is the recipient's identity
	Sessions     Table = "session"    // ID is the digest of a token, Key the session's name, Due its end
	People       Table = "person"     // ID is a digest of the identity; what its issuer says of its teams
	Notices      Table = "notice"     // Key is what is collapsed with it, Due when something is to be done with it
	Channels     Table = "channel"    // what is known of a channel of notices, and what each recipient got lately
	Slots        Table = "slot"       // ID is a plan that is not decided yet, Key its service
	Enrolments   Table = "enrolment"  // ID is a runner's key or the digest of a code, Key the runner, Due the code's end
	BreakGlasses Table = "breakglass" // Key is the team, Due when the review is due
	Passkeys     Table = "passkey"    // ID is its credential's, Key the person
	Pins         Table = "pin"        // ID is a tool of an upstream
	PolicySets   Table = "policyset"  // one row: the set in force
	OnCall       Table = "oncall"     // ID is a group whose turns an on-call source knows
	Delegations  Table = "delegation" // Key is the group, Due when the turn goes back
	Answers      Table = "answer"     // Key is the person, State the repair, Due when it no longer counts
	LogKeys      Table = "logkey"     // ID is a succession of the log's key that the ledger tells of
	Rates        Table = "rate"       // ID is what is counted, Due when its window is over

	PolicyChanges Table = "policychange" // proposed ones; Due is when one expires
	PolicyFiles   Table = "policyfile"   // ID is the change that brought the files, Key the version once it was in force
	Records       Table = "record"       // ID is a playbook on a service, or an agent; State which of both, Key the name
	Reviews       Table = "review"       // ID is a run, Key the team that owes it, Due when it is due
)

// tables maps a noun to its SQL name, none of which is a reserved word of SQLite or PostgreSQL.
var tables = map[Table]struct {
	sql       string
	deletable bool
	unique    bool // an update can collide with another row
}{
	Incidents:    {sql: "incidents", unique: true},
	Evidence:     {sql: "evidence"},
	Proposals:    {sql: "proposals"},
	Plans:        {sql: "plans"},
	Decisions:    {sql: "decisions"},
	Approvals:    {sql: "approvals"},
	Grants:       {sql: "grants"},
	Runs:         {sql: "runs"},
	Leases:       {sql: "leases"},
	Freezes:      {sql: "freezes"},
	Assignments:  {sql: "assignments", deletable: true},
	Reservations: {sql: "reservations", deletable: true},
	Idempotency:  {sql: "idempotency", deletable: true, unique: true},
	Nonces:       {sql: "nonces", deletable: true, unique: true},
	Agents:       {sql: "agentrecords"},
	Cells:        {sql: "cells"},
	Timeline:     {sql: "timeline"},
	Locks:        {sql: "locks", deletable: true},
	Attempts:     {sql: "attempts", deletable: true},
	HandOffs:     {sql: "handoffs"},
	Sessions:     {sql: "sessions", deletable: true},
	People:       {sql: "people"},
	Enrolments:   {sql: "enrolments"},
	Slots:        {sql: "slots", deletable: true},
	Notices:      {sql: "notices", deletable: true},
	Channels:     {sql: "channels", deletable: true},
	BreakGlasses: {sql: "breakglass"},
	Passkeys:     {sql: "passkeys"},
	Pins:         {sql: "pins"},
	PolicySets:   {sql: "policysets"},
	OnCall:       {sql: "oncall"},
	Delegations:  {sql: "delegations", deletable: true},
	Answers:      {sql: "answers", deletable: true},
	LogKeys:      {sql: "logkeys"},
	Rates:        {sql: "rates", deletable: true},

	PolicyChanges: {sql: "policychanges"},
	PolicyFiles:   {sql: "policyfiles"},
	Records:       {sql: "records"},
	Reviews:       {sql: "reviews"},
}

// Tables returns every table.
func Tables() []Table {
	return []Table{
		Incidents, Evidence, Proposals, Plans, Decisions, Approvals, Grants, Runs, Leases, Freezes,
		Assignments, Reservations, Idempotency, Nonces, Agents, Cells, Timeline, Locks, Attempts, Slots, HandOffs, Sessions, People, Notices, Channels, Enrolments, BreakGlasses, Passkeys, PolicySets,
		OnCall, Delegations, Answers, LogKeys, Rates, PolicyChanges, PolicyFiles, Records, Reviews, Pins,
	}
}

func (t Table) name() (string, error) {
	spec, ok := tables[t]
	if !ok {
		return "", fmt.Errorf("%w: no table %q", writ.ErrInvalid, string(t))
	}
	return spec.sql, nil
}
