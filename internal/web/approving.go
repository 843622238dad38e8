package web

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// An Entrance is the way in at the approving origin, whose sessions are its own and end with the login at the external URL. Begin and Enter are asked there, HandOver
// at the external URL, on behalf of whoever has a session there. What they do is durable on return; a code that is not
// good is writ.ErrUnknownUser, a challenge of another form writ.ErrInvalid.
type Entrance interface {
	Authenticator
	Begin(to string) (challenge string, kept *http.Cookie, err error)
	HandOver(ctx context.Context, r *http.Request, who writ.Principal, challenge string) (code string, err error)
	Enter(ctx context.Context, r *http.Request, code string) (set []*http.Cookie, to string, err error)
	Leave(ctx context.Context, r *http.Request) ([]*http.Cookie, error)
}

// Passkeys are enrolled, confirmed by another person, and removed.
type Passkeys interface {
	Passkeys(ctx context.Context, by writ.Principal) ([]writ.Passkey, error)
	BeginPasskey(ctx context.Context, by writ.Principal) (writ.EnrolAsk, error)
	AddPasskey(ctx context.Context, by writ.Principal, r writ.Registration) (writ.Passkey, error)
	SetPasskey(ctx context.Context, by writ.Principal, id writ.PasskeyID, to writ.PasskeyState, fingerprint string) (writ.Passkey, error)
}

// Assertions answer a plan: BeginAnswer makes the statement that a passkey is to sign, and AnswerByPasskey takes it signed.
// A person's session alone answers nothing.
type Assertions interface {
	BeginAnswer(ctx context.Context, by writ.Principal, id writ.PlanID, wish writ.AnswerWish) (writ.AnswerAsk, error)
	AnswerByPasskey(ctx context.Context, by writ.Principal, id writ.PlanID, statement []byte, proof writ.Assertion, reason string) (writ.PlanStatus, error)
}

// An Approving is the origin for approving: another host than the external URL's, with pages that do nothing else.
type Approving struct {
	Origin     string // https://approve.writ.corp.example
	Entrance   Entrance
	Passkeys   Passkeys
	Assertions Assertions
	Asks       Asks
	Changes    PolicyAnswers
	Decisions  Decisions
}

// Paths of the way in: the first two at the approving origin, the last at the external URL.
const (
	pathEnter    = "/enter"
	pathEntered  = "/entered"
	PathHandOver = "/handover"
)

// approvingScript asks the browser for a passkey. It stands in the page, and the policy names it by its digest, so that no
// other script runs at this origin, not even another file of ours.
//
//go:embed templates/approve/passkey.js
var approvingScript string

// approvingPolicy is contentPolicy with that one script, which makes no HTML: no policy of Trusted Types is left.
func approvingPolicy() string {
	sum := sha256.Sum256([]byte(approvingScript))
	return "default-src 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
		"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}

// ApprovingHandler returns the door of the approving origin, c.Approving's. It is for requests whose Host is exactly that
// of the origin; Host tells it.
func ApprovingHandler(c Config) (http.Handler, error) {
	if _, err := c.check(); err != nil {
		return nil, err
	}
	a := c.Approving
	if a == nil {
		return nil, fmt.Errorf("%w: pages: the approving origin is missing", writ.ErrInvalid)
	}
	c.Auth, c.LoginPath = a.Entrance, pathEnter
	d := &door{Config: c, mux: http.NewServeMux(), enter: pathEnter, policy: approvingPolicy(), script: template.JS(approvingScript)}
	var err error
	if d.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if d.pages, err = parseApproving(d.assets); err != nil {
		return nil, err
	}
	d.page("/approve/{id}", "", "plan", d.approve)
	d.page("/approve/policy/{id}", "", "policychange", d.policyChange)
	d.page(pathDecide+"/playbook/{name}/{service}", "", "autonomy", d.decidePlaybook)
	d.page(pathDecide+"/agent/{name}", "", "autonomy", d.decideAgent)
	d.page("/enrol", "", "enrol", d.enrol)
	d.page("/breakglass", "", "choose", d.chooseGlass)
	d.mux.HandleFunc("POST /breakglass", d.requestGlass)
	d.act("/enrol/{id}/confirm", d.setPasskey(writ.PasskeyActive))
	d.act("/enrol/{id}/remove", d.setPasskey(writ.PasskeyRemoved))
	d.call("/approve/{id}/begin", d.beginAnswer)
	d.call("/approve/{id}/answer", d.answer)
	d.call("/breakglass/begin", d.beginGlass)
	d.call("/breakglass/ask", d.askGlass)
	d.call("/approve/policy/{id}/begin", d.beginPolicyAnswer)
	d.call("/approve/policy/{id}/answer", d.answerPolicy)
	d.call(pathDecide+"/begin", d.beginDecision)
	d.call(pathDecide+"/answer", d.decideAutonomy)
	d.call("/enrol/begin", d.beginPasskey)
	d.call("/enrol/finish", d.addPasskey)
	d.mux.HandleFunc("GET "+pathEnter, d.begin)
	d.mux.HandleFunc("GET "+pathEntered, d.entered)
	d.mux.HandleFunc("POST "+PathLeave, d.leaveApproving)
	d.mux.HandleFunc("GET /static/{file}", d.static)
	d.mux.HandleFunc("/", d.elsewhere)
	return d.guarded(a.Origin)
}

// Host returns the host, with its port if it has one, of the requests that are for the approving origin.
func (a *Approving) Host() string {
	u, err := url.Parse(a.Origin)
	if err != nil {
		return ""
	}
	return u.Host
}

// elsewhere sends a browser on to the external URL for every page that is not here. A form is not sent on.
func (d *door) elsewhere(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		d.fail(w, r, writ.Principal{}, writ.ErrNotFound)
		return
	}
	if r.URL.Path == "/" {
		http.Redirect(w, r, "/enrol", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, strings.TrimSuffix(d.ExternalURL, "/")+"/"+strings.TrimLeft(r.URL.EscapedPath(), "/"), http.StatusSeeOther)
}

// parseApproving parses the pages of the approving origin: the plan's own blocks, in another frame and with another end.
func parseApproving(assets map[string]asset) (map[string]*template.Template, error) {
	shared, err := parseShared(assets)
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for name, files := range map[string][]string{
		"plan": {"plan.html", "approve/frame.html", "approve/plan.html"}, "enrol": {"approve/frame.html", "approve/enrol.html"},
		"choose": {"approve/frame.html", "approve/choose.html"}, "request": {"approve/frame.html", "approve/request.html"},
		"policychange": {"policychange.html", "approve/frame.html", "approve/policychange.html"}, "autonomy": {"approve/frame.html", "approve/autonomy.html"},
		"fail": {"fail.html", "approve/frame.html"}, "left": {"approve/frame.html", "approve/left.html"},
	} {
		t, err := shared.Clone()
		for _, file := range files {
			if err == nil {
				t, err = t.ParseFS(sub("templates"), file)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("pages: %w", err)
		}
		pages[name] = t
	}
	return pages, nil
}

// maxCall bounds the body of a script's call: an attestation has at most 16 KiB, a statement less, each in base64.
const maxCall = 64 << 10

// A caller does what the page's script asks for, with the body that it sent.
type caller func(ctx context.Context, by writ.Principal, r *http.Request, body []byte) (any, error)

// call registers the target of a script's call: JSON of the page's own origin, from a person with a session here.
func (d *door) call(path string, do caller) {
	d.mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		by, ok := d.person(w, r)
		if !ok {
			return
		}
		var out any
		body, err := readCall(w, r)
		if err == nil {
			out, err = do(r.Context(), by, r, body)
			d.glance.forget()
		}
		status := http.StatusOK
		if err != nil {
			v := d.outcome(r, err)
			status, out = v.Status, map[string]string{"code": string(v.Code), "say": writ.Printable(v.Say, maxDetail), "hint": writ.Printable(v.Hint, maxDetail)}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(out)
	})
}

// readCall takes a call's body off the wire, within size and time.
func readCall(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, badCall("a call of the page's script is application/json")
	}
	wire := http.NewResponseController(w)
	_ = wire.SetReadDeadline(time.Now().Add(formTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	_ = wire.SetReadDeadline(time.Time{})
	if err != nil {
		return nil, badCall("the call could not be read, or is longer than 64 KiB")
	}
	return body, nil
}

// parseCall reads one JSON object of known members and nothing after it.
func parseCall(body []byte, into any) error {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return badCall("the call is not what the page's script sends")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badCall("something follows the call's object")
	}
	return nil
}

func badCall(what string) error {
	return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: what, Hint: "load the page again"}
}
