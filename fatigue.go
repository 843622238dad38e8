package writ

// A Fatigue is how much somebody has been asked lately, for the approver's own eyes. It decides nothing but what the
// configuration's limit says: beyond it, one more person who is below it must approve too.
type Fatigue struct {
	ShiftSeconds  int    `json:"shift_seconds"`            // what a shift is
	Answered      int    `json:"answered"`                 // answers of the person in the last shift
	Limit         int    `json:"limit,omitempty"`          // of the configuration; 0 for none
	Beyond        bool   `json:"beyond,omitempty"`         // Answered has reached Limit: the person's approval needs another's beside it
	MedianSeconds int    `json:"median_seconds,omitempty"` // how long the person takes, of their answers in the last thirty days
	Rate          int    `json:"approved_permille"`        // of those answers, how many approved
	RatePlaybook  int    `json:"approved_permille_here"`   // likewise for this playbook
	OfPlaybook    int    `json:"answered_here"`            // how many answers that counts
	Same          int    `json:"same_approved"`            // plans for exactly this repair that somebody approved in the last thirty days
	Suggest       bool   `json:"suggest_rule,omitempty"`   // so many that a rule of tier 1 may serve better; its owner decides
	Second        bool   `json:"needs_another,omitempty"`  // who has approved so far has answered too much: one more person is needed
	Warning       string `json:"warning,omitempty"`        // one sentence; empty when nothing is odd
}
