package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

const (
	// MaxBody bounds a request: a proposal is some kilobytes, a webhook of 500 alerts some hundred.
	MaxBody = 1 << 20
	// maxLarge bounds a request with a policy set: 4 MiB of files in base64.
	maxLarge = 6 << 20
	// bodyTime is how long a caller may take to send a body.
	bodyTime = 10 * time.Second
	// answerTime bounds waiting and answering: the longest wait and time to write.
	answerTime = maxWait + 25*time.Second
)

// read takes the body off the wire, within size and time, and puts it back for huma. The read deadline is lifted
// afterwards: net/http would otherwise cancel a call that waits for a runner when it passes.
func (d *door) read(w http.ResponseWriter, r *http.Request, c call) ([]byte, error) {
	wire := http.NewResponseController(w)
	// Recorders and some middleware have no deadlines; the server's own then apply.
	_ = wire.SetWriteDeadline(d.Now().Add(answerTime))
	if c.body == noBody {
		r.Body = http.NoBody
		return nil, nil
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		p := &Problem{Status: http.StatusUnsupportedMediaType, Code: writ.ReasonForm, Retry: retryNever, Detail: "the body must be application/json"}
		return nil, p.complete(r.Context())
	}
	_ = wire.SetReadDeadline(d.Now().Add(bodyTime))
	limit := int64(MaxBody)
	if c.large {
		limit = maxLarge
	}
	b, err := readBody(w, r, limit)
	_ = wire.SetReadDeadline(time.Time{})
	if err != nil {
		return nil, err
	}
	if c.body == strict {
		if err := canon.Check(b); err != nil {
			detail := "the body is " + err.Error()
			if name := nullMember(b); name != "" {
				detail = writ.Printable(name, 40) + ": null is no value; a member that is not given is left out"
			}
			return nil, &writ.Refusal{Code: writ.ReasonForm, Detail: detail, Kind: writ.ErrInvalid}
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	return b, nil
}

// nullMember is the first by name of a body's members that are null.
func nullMember(b []byte) string {
	var given map[string]json.RawMessage
	if json.Unmarshal(b, &given) != nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if string(given[name]) == "null" {
			return name
		}
	}
	return ""
}

// readBody reads at most limit bytes; more is a problem of its own status.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		p := &Problem{Status: http.StatusRequestEntityTooLarge, Code: writ.ReasonTooLarge, Retry: retryNever,
			Detail: fmt.Sprintf("a body has at most %d bytes", limit)}
		return nil, p.complete(r.Context())
	}
	if err != nil {
		return nil, &writ.Refusal{Code: writ.ReasonForm, Detail: "the body ended early or came too slowly", Kind: writ.ErrInvalid}
	}
	return b, nil
}

// strictJSON replaces huma's JSON format. The guard has checked that all readers agree on the bytes; here the members
// must be those of the type, in exactly their spelling, since encoding/json would also take "Reason" for "reason".
var strictJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		err := json.Unmarshal(data, v)
		body, found := structOf(reflect.TypeOf(v))
		if !found {
			return err
		}
		if err != nil {
			return named(data, body, err)
		}
		return exactNames(data, body)
	},
}

// structOf returns the struct that a pointer leads to.
func structOf(t reflect.Type) (reflect.Type, bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, t.Kind() == reflect.Struct
}

// exactNames looks at the members of the body itself: requests have no structs inside.
func exactNames(data []byte, body reflect.Type) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(data, &given); err != nil {
		return err
	}
	for i := range body.NumField() {
		delete(given, memberName(body.Field(i)))
	}
	for name := range given {
		return fmt.Errorf("unknown member %q", writ.Printable(name, 40))
	}
	return nil
}

// named says which member of the body an error is of: encoding/json does not, where a type reads itself.
func named(data []byte, body reflect.Type, err error) error {
	var given map[string]json.RawMessage
	if json.Unmarshal(data, &given) != nil {
		return err
	}
	for i := range body.NumField() {
		f := body.Field(i)
		if raw, there := given[memberName(f)]; there {
			if err := json.Unmarshal(raw, reflect.New(f.Type).Interface()); err != nil {
				return fmt.Errorf("%s: %w", memberName(f), err)
			}
		}
	}
	return err
}

func memberName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
