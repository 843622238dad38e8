package event

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/url"
	"strings"
	"time"
)

// The media types of the HTTP binding of CloudEvents 1.0 (sections 3.1 and 3.2).
const (
	typeStructured = "application/cloudevents+json"
	typeJSON       = "application/json"
)

// ceAttributes are the attributes that a binary event's headers are read for; extensions are not read.
var ceAttributes = []string{"specversion", "id", "source", "type", "subject", "time", "dataschema"}

// cloudEvent reads one CloudEvent: structured, the whole event as JSON; or binary, attributes in headers and data in the
// body. Pointers point into the event as its JSON format has it: /type, /data/service. Batches are refused. A source that
// signs sends the whole event in the body: what a header says, its signature does not hold.
func (s Source) cloudEvent(body []byte, header func(string) string) (Event, said, error) {
	kind, _, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil {
		kind = ""
	}
	var doc map[string]any
	switch kind {
	case typeStructured:
		if doc, err = document(body); err != nil {
			return Event{}, said{}, s.bad("the body must be one JSON object, each member of it once, at most %d deep", maxDepth)
		}
		if text, ok := doc["data_base64"].(string); ok && doc["data"] == nil {
			raw, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return Event{}, said{}, s.bad("data_base64 must be base64")
			}
			if doc["data"], err = document(raw); err != nil {
				return Event{}, said{}, s.bad("data_base64 must hold one JSON object, each member of it once, at most %d deep", maxDepth)
			}
		}
	case typeJSON:
		if len(s.Proof.Secrets) > 0 {
			return Event{}, said{}, s.bad("a source that signs sends %s: its signature does not cover attributes in headers", typeStructured)
		}
		data, err := document(body)
		if err != nil {
			return Event{}, said{}, s.bad("the data must be one JSON object, each member of it once, at most %d deep", maxDepth)
		}
		doc = map[string]any{"data": data}
		for _, name := range ceAttributes {
			v, err := url.PathUnescape(header("ce-" + name)) // section 3.1.3.2
			if err != nil || len(v) > maxText {
				return Event{}, said{}, s.bad("header ce-%s must have at most %d bytes, percent-encoded", name, maxText)
			}
			if v != "" {
				doc[name] = v
			}
		}
	default:
		return Event{}, said{}, s.bad("the body must be %s, or %s with the headers ce-id, ce-source, ce-type and ce-specversion", typeStructured, typeJSON)
	}
	if v, _ := at(doc, "/specversion"); v != "1.0" {
		return Event{}, said{}, s.bad(`specversion must be "1.0"`)
	}
	id, _ := at(doc, "/id")
	source, _ := at(doc, "/source")
	if typ, _ := at(doc, "/type"); id == "" || source == "" || typ == "" || len(id)+len(source) >= maxID || len(typ) > maxText {
		return Event{}, said{}, s.bad("id, source and type must be there, id and source with less than %d bytes together", maxID)
	}
	e, x, err := s.pointed(doc)
	if err != nil {
		return e, x, err
	}
	// Source and id together are what makes an event one (section 3.1.1). JSON keeps the pair apart.
	pair, err := json.Marshal([2]string{source, id})
	if err != nil || len(pair) > maxID {
		return Event{}, said{}, s.bad("id and source are too long")
	}
	e.ID = string(pair)
	if when, ok := at(doc, "/time"); ok {
		t, err := time.Parse(time.RFC3339, strings.TrimSpace(when))
		if err != nil {
			return Event{}, said{}, s.bad("time must be like 2026-11-22T02:04:05Z")
		}
		e.At = t
	}
	return e, x, nil
}
