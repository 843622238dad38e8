package writ

import "time"

// A ChangeWindow is what the change calendars say of a service at one time. The zero value means that none covers it.
type ChangeWindow struct {
	Open        *bool      `json:"open,omitempty"`      // a window is open; absent when no calendar declares windows for the service
	ClosesAt    *time.Time `json:"closes_at,omitempty"` // with an open window
	FrozenUntil *time.Time `json:"frozen_until,omitempty"`
	Names       []string   `json:"names,omitempty"`    // of the open windows and the freezes in force: calendar/entry
	Calendars   Digest     `json:"calendars,omitzero"` // of all calendars
}
