package writ

// Limits of a list: a page that a person or an agent can take in, and the most that one answer carries.
const (
	DefaultPage = 50
	MaxPage     = 200
)

// A PlanFilter narrows a list of plans. Zero members do not narrow. Lists are ordered newest first; Cursor is what the
// page before answered as next, and opaque.
type PlanFilter struct {
	State    PlanState
	Incident IncidentID
	Limit    int // 1 to MaxPage; 0 means DefaultPage
	Cursor   string
}

// A RunFilter narrows a list of runs, as PlanFilter does with plans.
type RunFilter struct {
	State    RunState
	Incident IncidentID
	Plan     PlanID
	Limit    int
	Cursor   string
}

// An IncidentFilter narrows a list of incidents, as PlanFilter does with plans.
type IncidentFilter struct {
	State   IncidentState
	Service string
	Limit   int
	Cursor  string
}
