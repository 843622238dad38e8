package writ

import "time"

// MaxClockOff is how far a clock may be off before it is said aloud. A runner refuses a grant or a feed that comes more than
// five seconds from its own future; at two there is still time to mend the clock.
const MaxClockOff = 2 * time.Second

// A ClockReading is how far a clock was ahead of another when they were compared, in milliseconds; negative when it was behind.
type ClockReading struct {
	OffMillis int64     `json:"off_ms"`
	Within    int64     `json:"within_ms,omitempty"` // the error of that at most; 0 where it is not known
	At        time.Time `json:"at"`
}

// Off is how far the clock was ahead.
func (c ClockReading) Off() time.Duration { return time.Duration(c.OffMillis) * time.Millisecond }

// Wrong reports whether the clock was off by more than it may be, whatever the error.
func (c ClockReading) Wrong() bool { return c.Off().Abs() > MaxClockOff }

// A ReplicaStatus is one process of the control plane on a database that several share. Its clock is compared with the
// database's.
type ReplicaStatus struct {
	Name  string       `json:"name"`
	Self  bool         `json:"self,omitempty"` // it has answered this call
	Clock ClockReading `json:"clock"`
}

// A NoticeTrial is a test notice that a person asked the control plane for.
type NoticeTrial struct {
	Notice  NoticeID    `json:"notice"`
	Channel string      `json:"channel"`
	By      Principal   `json:"by"`
	To      *Person     `json:"to,omitempty"` // absent: the channel's own recipients
	State   NoticeState `json:"state"`
	At      time.Time   `json:"at"`
}
