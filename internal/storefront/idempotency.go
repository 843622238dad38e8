package storefront

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"sync"
)

// maxAnswers is how many answers to idempotent writes are remembered; the oldest go first.
const maxAnswers = 1000

// answers remembers the answer to each Idempotency-Key. Writes with a key run one at a time.
type answers struct {
	mu    sync.Mutex
	seen  map[string]answered
	order []string
}

type answered struct {
	request digest
	reply   reply
}

func newAnswers() *answers { return &answers{seen: map[string]answered{}} }

// once runs do, unless the client has sent this key before: then it returns the answer of that time, or 422 if the
// request was another. Answers 5xx are not kept, since the client is meant to try again.
func (a *answers) once(client, key, request string, do func() reply) reply {
	if key == "" {
		return do()
	}
	d := sha256.Sum256([]byte(request))
	id := client + "\x00" + key
	a.mu.Lock()
	defer a.mu.Unlock()
	if old, ok := a.seen[id]; ok {
		if old.request != d {
			return replyProblem(http.StatusUnprocessableEntity, "this Idempotency-Key was used for another request")
		}
		old.reply.again = true
		return old.reply
	}
	out := do()
	if out.status < http.StatusInternalServerError {
		if len(a.order) == maxAnswers {
			delete(a.seen, a.order[0])
			a.order = slices.Delete(a.order, 0, 1)
		}
		a.seen[id] = answered{request: d, reply: out}
		a.order = append(a.order, id)
	}
	return out
}
