package gateway

import (
	"bytes"
	"encoding/json"

	"github.com/writ-dev/writ"
)

// SplitIncident takes Writ's own argument out of a call's arguments, and returns the others for Definition.Check.
func SplitIncident(raw []byte) (writ.IncidentID, []byte, error) {
	missing := &writ.Refusal{Code: writ.ReasonMissingParameter, Kind: writ.ErrInvalid, Detail: IncidentArgument + " must be the id of an open incident, such as inc_ and 26 characters", Hint: "list_incidents gives them"}
	if len(raw) > MaxArguments {
		return "", nil, wrong(writ.ReasonTooLarge, "the arguments have %d bytes; the limit is %d", len(raw), MaxArguments)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return "", nil, missing
	}
	v, err := decode(raw)
	m, ok := v.(map[string]any)
	if err != nil || !ok {
		return "", nil, wrong(writ.ReasonForm, "the arguments must be one JSON object without repeated names, at most %d levels deep", maxArgDepth)
	}
	id, _ := m[IncidentArgument].(string)
	incident, err := writ.ParseIncidentID(id)
	if err != nil {
		return "", nil, missing
	}
	delete(m, IncidentArgument)
	rest, err := json.Marshal(m)
	return incident, rest, err
}
