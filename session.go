package writ

import "time"

// A Session is one login of a person.
type Session struct {
	ID      SessionID `json:"id"`
	Person  Person    `json:"person"`
	Way     string    `json:"way" doc:"browser, command line, development key or approving"`
	Since   time.Time `json:"since"`
	Seen    time.Time `json:"seen" doc:"Last use, to the minute"`
	Expires time.Time `json:"expires"`
}

// SessionID names one session: "ses_" and a ULID. It is no secret: the session's token is another value.
type SessionID string

// ParseSessionID is the only way in from text.
func ParseSessionID(s string) (SessionID, error) { return parseID[SessionID](s, "ses") }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *SessionID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "ses") }
