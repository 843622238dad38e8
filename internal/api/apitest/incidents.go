package apitest

import (
	"context"

	"github.com/writ-dev/writ"
)

func (c *Control) Alert(_ context.Context, _ writ.Principal, g writ.AlertGroup) (writ.Incident, error) {
	c.mu.Lock()
	c.alerted = g
	c.mu.Unlock()
	return writ.Incident{ID: IncidentID, GroupKey: g.GroupKey}, c.Called("alert %s", g.GroupKey)
}

func (c *Control) Incidents(_ context.Context, _ writ.Principal, q writ.IncidentFilter) ([]writ.Incident, string, error) {
	return []writ.Incident{Incident()}, "", c.Called("incidents %s %s %d", q.State, q.Service, q.Limit)
}

func (c *Control) Incident(_ context.Context, _ writ.Principal, id writ.IncidentID) (writ.IncidentStatus, error) {
	return writ.IncidentStatus{Incident: writ.Incident{ID: id, OpenedAt: At}}, c.Called("incident %s", id)
}

func (c *Control) AddNote(_ context.Context, by writ.Principal, id writ.IncidentID, text string) (writ.Note, error) {
	return writ.Note{Index: 7, By: by, At: At, Text: text}, c.Called("note %s %s", id, text)
}

func (c *Control) Undo(_ context.Context, _ writ.Principal, id writ.IncidentID, ask writ.UndoAsk) (writ.Undo, error) {
	from := ""
	if ask.Run != "" {
		from = " from " + string(ask.Run)
	}
	return Undone(id), c.Called("undo %s %s%s", id, ask.Because, from)
}

func (c *Control) Readers(_ context.Context, _ writ.Principal, in writ.IncidentID, target writ.Location) ([]writ.ReaderText, error) {
	return []writ.ReaderText{Reader()}, c.Called("readers %s %s", in, target)
}

// Reader is one that takes a name, and a number of lines if needed.
func Reader() writ.ReaderText {
	return writ.ReaderText{Target: "kubernetes://prod-eu1", Name: "kubernetes/pod.logs", Title: "Log of a pod", Writable: true,
		Takes: []writ.ReaderParameter{{Name: "name", Title: "name", Allowed: "a plain name"}, {Name: "lines", Title: "lines", Allowed: "a whole number from 1 to 2000", Optional: true}},
		Facts: []writ.ReaderFact{{Name: "lines", Title: "lines that there are"}}}
}

func (c *Control) Observe(_ context.Context, _ writ.Principal, in writ.IncidentID, reader writ.OperationName, target writ.Location, with writ.Parameters) (writ.Evidence, []byte, error) {
	return Evidence(), []byte(Read), c.Called("observe %s %s %s %s", in, reader, target, text(with))
}

func (c *Control) Evidence(_ context.Context, _ writ.Principal, id writ.EvidenceID) (writ.Evidence, []byte, error) {
	return Evidence(), []byte(Read), c.Called("evidence %s", id)
}

func (c *Control) OpenedEvidence(_ context.Context, _ writ.Principal, id writ.EvidenceID) (writ.EvidenceContent, error) {
	return Opened(), c.Called("opened %s", id)
}

func (c *Control) Freeze(_ context.Context, _ writ.Principal, scope writ.FreezeScope, value, reason string) (writ.Freeze, error) {
	return Freeze(), c.Called("freeze %s %s %s", scope, value, reason)
}

func (c *Control) Unfreeze(_ context.Context, _ writ.Principal, id writ.FreezeID, reason string) (writ.Freeze, error) {
	return Freeze(), c.Called("unfreeze %s %s", id, reason)
}

func (c *Control) Freezes(context.Context, writ.Principal) ([]writ.Freeze, error) {
	return []writ.Freeze{Freeze()}, c.Called("freezes")
}
