package writ

import "time"

// Bodies of the entries about who takes part and by which rules. All fields are names, digests, numbers or codes.
type (
	GenesisBody struct {
		Origin string `json:"origin"`
		Policy Digest `json:"policy"`
	}
	RunnerBody struct {
		Runner RunnerID       `json:"runner"`
		State  RunnerKeyState `json:"state"`            // of the key from now on; invited: a code was made
		Public []byte         `json:"public,omitempty"` // the key, 32 bytes
		By     Principal      `json:"by"`
		Way    string         `json:"way,omitempty"` // how it was let in: code, spiffe or key
	}
	PolicyBody struct {
		Policy   Digest   `json:"policy"`            // of the set: what decisions name
		Version  int64    `json:"version,omitempty"` // that its owners gave it
		Manifest Digest   `json:"manifest,omitzero"` // of what they signed
		Signers  []string `json:"signers,omitempty"` // key ids of those who did
		Was      Digest   `json:"was,omitzero"`      // the set before, where this ledger knows it

		Change       PolicyChangeID `json:"change,omitempty"`       // that people approved; none for the first set, and for the same one loaded anew
		ChangeDigest Digest         `json:"change_digest,omitzero"` // of its bytes
	}
	// From the entry on, whose index is i, the log's old key signs no tree that is larger than i.
	KeyRotateBody struct {
		Old       string `json:"old"`       // vkey
		New       string `json:"new"`       // vkey
		Statement []byte `json:"statement"` // a DSSE envelope that both keys and the log's roots have signed
	}
	CellBody struct {
		Runner   RunnerID `json:"runner"`
		Instance string   `json:"instance"` // of the journal that holds it now
		Epoch    int64    `json:"epoch"`
		Was      string   `json:"was,omitempty"` // the instance that held it before, when that is another
	}
	HandOffBody struct {
		HandOff   HandOffID   `json:"hand_off"`
		From      Principal   `json:"from"`
		To        Principal   `json:"to"`
		Parent    HandOffID   `json:"parent,omitempty"`
		Lineage   []Principal `json:"lineage"`
		Playbooks []string    `json:"playbooks"`
		MaxTier   Tier        `json:"max_tier"`
		Evidence  Digest      `json:"evidence_digest,omitzero"`
		Note      Commitment  `json:"note,omitzero"`
		Expires   time.Time   `json:"expires"`
	}
	LoginBody struct {
		Session SessionID `json:"session"`
		Person  Person    `json:"person"`
		Way     string    `json:"way"`
		Expires time.Time `json:"expires"`
	}
	LogoutBody struct {
		Session SessionID `json:"session"`
		Person  Person    `json:"person"` // whose session it was
		By      Principal `json:"by"`
	}
	TeamsBody struct {
		Person Person    `json:"person"`
		Teams  []string  `json:"teams,omitempty"`
		AsOf   time.Time `json:"as_of"` // iat of the token that said so
	}
	HandOffEndBody struct {
		HandOff HandOffID `json:"hand_off"`
		By      Principal `json:"by"`
	}
	NoticeBody struct {
		Notice   NoticeID      `json:"notice"`
		Event    NoticeEvent   `json:"event"`
		Events   int           `json:"events"`       // how many it tells of
		Channel  string        `json:"channel"`      // as the configuration names it; empty when there was nobody to tell
		To       *Person       `json:"to,omitempty"` // absent: the channel's own recipients
		Outcome  NoticeOutcome `json:"outcome"`      // delivered, failed or undelivered
		Failure  NoticeFailure `json:"failure,omitempty"`
		Status   int           `json:"status,omitempty"` // the channel's answer, HTTP or SMTP
		Attempts int           `json:"attempts"`
		By       *Principal    `json:"by,omitempty"` // who asked for it, when it is a test
	}
	AgentBody struct {
		Name    string      `json:"name"`
		Agent   Principal   `json:"agent"`
		Team    string      `json:"team"`
		Owner   Person      `json:"owner"`
		Roles   []AgentRole `json:"roles"`
		Classes []string    `json:"classes,omitempty"`
		State   AgentState  `json:"state"` // from now on
		By      Principal   `json:"by"`
		Was     *Principal  `json:"was,omitempty"` // the identity whose place it takes
	}
)
