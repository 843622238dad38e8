package writ

import "time"

// A Retirement says that a playbook can be asked for no more. A higher version in the server's library is offered again.
type Retirement struct {
	Version int       `json:"version"` // and those before it
	By      Principal `json:"by"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"` // stays off the ledger
}

// A PlaybookVersion is one version that a server has offered, with its source; people only.
type PlaybookVersion struct {
	PlaybookRef
	Since  time.Time `json:"since"` // when this control plane first had it
	Source string    `json:"source"`
}

// Rate is how many of a hundred runs held; of those that a person, a freeze or a runner's end stopped none is counted. ok is false
// where there was none.
func (t Tally) Rate() (percent int, ok bool) {
	n := t.Runs - t.Stopped
	if n <= 0 {
		return 0, false
	}
	return t.Verified * 100 / n, true
}

// Plus adds two tallies.
func (t Tally) Plus(u Tally) Tally {
	return Tally{
		Runs: t.Runs + u.Runs, Verified: t.Verified + u.Verified, Undone: t.Undone + u.Undone, Uncertain: t.Uncertain + u.Uncertain,
		Stopped: t.Stopped + u.Stopped, Failed: t.Failed + u.Failed, Harm: t.Harm + u.Harm,
	}
}
