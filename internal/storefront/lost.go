package storefront

import (
	"fmt"
	"net/http"
)

// lostBy is who changes an object in the moment in which the answer to a change of it gets lost.
const lostBy = "night-shift"

// LoseNextAnswer lets the next change that comes through the admin API be carried out, and answers 502 to it, as a proxy does
// that lost the answer; in that moment somebody else touches the same object without changing a value of it. Whoever asked
// cannot find out by reading whether the change was its own: neither the version nor the last key is.
func (s *Shop) LoseNextAnswer() { s.lost.Store(true) }

// losing touches the object of a request if its answer is to be lost, and says whether it is.
func (s *Shop) losing(r *http.Request) (reply, bool) {
	if !s.lost.CompareAndSwap(true, false) {
		return reply{}, false
	}
	v, err := s.service(r.PathValue("service"))
	if err == nil {
		err = v.touch(ticket{by: lostBy}, r.PathValue("flag"))
	}
	if err != nil {
		return replyProblem(statusOf(err), err.Error()), true
	}
	return replyProblem(http.StatusBadGateway, "the answer was lost on its way"), true
}

// touch gives a service, or one of its flags, a new version and nothing else.
func (v *service) touch(t ticket, flag string) error {
	if flag == "" {
		return v.alter(t, func() error { return nil })
	}
	v.mu.RLock()
	f, ok := v.flags[flag]
	on := ok && f.on
	v.mu.RUnlock()
	if !ok {
		return fmt.Errorf("%w: %s", errUnknown, flag)
	}
	return v.setFlag(t, flag, on)
}
