package rotate

import (
	"crypto/ecdsa"
	"fmt"
	"os"
	"time"
)

// A Dispatch is the key with which one control plane presents the grants that it holds for agents: File is the key in use,
// as the server's configuration names it; beside it lie next and previous, as with Grant. A plan names the key that is to
// present its grant, so a server presents each with the key that its plan names, and new plans name the key in use. No trust
// file names any of them: a runner compares plan, grant and proof.
type Dispatch struct {
	File     string
	PlanLife time.Duration // of the server's configuration: how long a plan waits for people
}

func (d Dispatch) files() Grant { return Grant{File: d.File} }

// Overlap is how long the old key is kept after the new one is in use: until no plan that names it can be granted, and no
// grant of such a plan is alive. A server that was not restarted yet makes plans that name the old key; Overlap so counts
// from the restart of the last one.
func (d Dispatch) Overlap() time.Duration { return d.PlanLife + Overlap }

// Keys lists the key files that exist.
func (d Dispatch) Keys() ([]Key, error) { return d.files().Keys() }

// Load reads the key in use, and the others: plans may name those, too.
func (d Dispatch) Load() (current *ecdsa.PrivateKey, others []*ecdsa.PrivateKey, err error) {
	return d.files().load()
}

// Announce makes the next key, unless there is one. All servers have to know it before the first one names it in a plan.
func (d Dispatch) Announce() (kid string, err error) { return Token{File: d.File}.Announce() }

// Switch puts the next key in the place of the current one; see Grant.Switch.
func (d Dispatch) Switch() (kid string, err error) { return d.files().Switch(nil) }

// Retire deletes the previous key. It is refused while plans that name it may be open.
func (d Dispatch) Retire(now time.Time) error {
	info, err := os.Stat(d.File)
	if err != nil {
		return err
	}
	if rest := info.ModTime().Add(d.Overlap()).Sub(now); rest > 0 {
		return refuse(fmt.Sprintf("plans that name the previous key may be open for another %s", rest.Round(time.Second)), "wait; if the old key is in somebody else's hands, delete its file and restart the servers: open plans are refused and proposed again")
	}
	return d.files().Forget()
}
