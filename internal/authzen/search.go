package authzen

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/writ-dev/writ"
)

// pageSize is how many candidates one search evaluates: at some hundred microseconds each, a page stays below a tenth of
// a second.
const pageSize = 100

// search answers which subjects, resources or actions would be allowed outright. It goes through what Writ knows, a page at
// a time; a page may have few results or none and still not be the last.
func (d door) search(ctx context.Context, by writ.Principal, r *http.Request, in object) (any, error) {
	part := r.PathValue("for")
	if part != partSubject && part != partResource && part != partAction {
		return nil, writ.ErrNotFound
	}
	results := []any{}
	out := map[string]any{"results": results, "context": map[string]string{"advice": advice}}
	ctx, q, err := d.question(ctx, in, nil, part)
	if _, ok := errors.AsType[*unknown](err); ok {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	from, limit, err := pageOf(in)
	if err != nil {
		return nil, err
	}
	all, err := d.Evaluator.AccessNames(ctx, by)
	if err != nil {
		return nil, err
	}
	candidates := d.candidates(part, q, all)
	at, to := min(from, len(candidates)), min(len(candidates), from+pageSize)
	for ; at < to && len(results) < limit; at++ {
		got, err := d.Evaluator.Evaluate(ctx, by, candidates[at].question)
		if err != nil {
			return nil, err
		}
		if got.Allowed() {
			results = append(results, candidates[at].shown)
		}
	}
	out["results"] = results
	next := ""
	if at < len(candidates) {
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(at)))
	}
	out["page"] = map[string]any{"next_token": next, "count": len(results)}
	return out, nil
}

// A candidate is a question with the searched part filled in, and that part as it goes out.
type candidate struct {
	question writ.AccessQuestion
	shown    any
}

func (t terms) candidates(part string, q writ.AccessQuestion, all writ.AccessNames) (out []candidate) {
	switch part {
	case partSubject:
		kind := q.Subject.Kind
		for _, p := range all.Subjects {
			if p.Kind == kind {
				q.Subject = p
				out = append(out, candidate{q, t.subject(p)})
			}
		}
	case partResource:
		for _, s := range all.Services {
			q.Service = s
			out = append(out, candidate{q, map[string]string{"type": t.resource, "id": s}})
		}
	case partAction:
		for _, a := range all.Actions {
			q.Action = a
			out = append(out, candidate{q, map[string]string{"name": a}})
		}
	}
	return out
}

// pageOf reads page.token, which is opaque to callers, and page.limit, how many results they want at most.
func pageOf(in object) (from, limit int, err error) {
	page, err := in.object("page")
	if err != nil {
		return 0, 0, err
	}
	limit = pageSize
	if raw, ok := page["limit"]; ok {
		if err := json.Unmarshal(raw, &limit); err != nil || limit < 1 {
			return 0, 0, form("page.limit must be a whole number above 0")
		}
	}
	raw, ok := page["token"]
	if !ok || string(raw) == `""` {
		return 0, limit, nil
	}
	token, err := page.text("page", "token", false)
	if err != nil {
		return 0, 0, err
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	n, nerr := strconv.Atoi(string(b))
	if err != nil || nerr != nil || n < 0 {
		return 0, 0, form("page.token must be a next_token of the page before")
	}
	return n, limit, nil
}
