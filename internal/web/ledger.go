package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// pageEntries is how many entries one page of the ledger shows.
const pageEntries = 50

// proveTime bounds the wait for a checkpoint that covers an entry: it takes milliseconds while the signer is there.
const proveTime = 2 * time.Second

// A ledgerView is the head of the log and some of its entries, newest first.
type ledgerView struct {
	Size, Signed int64
	SignedAt     time.Time // of the newest entry under the checkpoint, by its author's clock
	Checkpoint   raw
	Origin       string
	Root         writ.Digest
	Invalid      bool // the checkpoint is not one of this log
	Events       []writ.Event
	Older, Newer string // addresses
	Search       searchView
}

func (d *door) ledger(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	s, err := d.Overview.Status(ctx, by)
	if err != nil {
		return view{}, err
	}
	v := ledgerView{Size: s.LedgerSize, Signed: s.Signed}
	from := max(v.Size-pageEntries, 0)
	if n, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64); err == nil && n >= 0 {
		from = min(n, max(v.Size-1, 0))
	}
	if v.Events, err = d.Ledger.Events(ctx, by, from, pageEntries, ""); err != nil {
		return view{}, err
	}
	slices.Reverse(v.Events)
	if from > 0 {
		v.Older = "/ledger?from=" + strconv.FormatInt(max(from-pageEntries, 0), 10)
	}
	if from+pageEntries < v.Size {
		v.Newer = "/ledger?from=" + strconv.FormatInt(from+pageEntries, 10)
	}
	if v.Search, err = d.search(ctx, by, r); err != nil {
		return view{}, err
	}
	_, note, err := d.Ledger.Entries(ctx, by, 0, 1)
	if err != nil {
		return view{}, err
	}
	v.Checkpoint = lines(note)
	cp, err := d.Verifier.Open(note)
	if v.Invalid = err != nil; err == nil {
		v.Origin, v.Root = cp.Origin, cp.Root
	}
	if v.Signed > 0 {
		newest, err := d.Ledger.Events(ctx, by, v.Signed-1, 1, "")
		if err != nil {
			return view{}, err
		}
		if len(newest) == 1 {
			v.SignedAt = newest[0].Time
		}
	}
	return view{title: "Ledger", data: v}, nil
}

// An entryView is one entry as it stands in the log, with its proof.
type entryView struct {
	Index   int64
	Kind    writ.EntryKind
	Time    time.Time
	Actor   writ.Principal
	Task    writ.IncidentID
	KeyID   string
	Leaf    writ.Digest
	JSON    raw
	Blobs   []writ.Blob
	Refs    []writ.Ref
	Proof   []writ.Digest
	Head    ledger.Head
	Proved  bool   // the path leads to the root of the signed checkpoint: checked here
	Because string // why not
}

func (d *door) entry(ctx context.Context, by writ.Principal, r *http.Request) (view, error) {
	index, err := strconv.ParseInt(r.PathValue("index"), 10, 64)
	if err != nil || index < 0 {
		return view{}, writ.ErrNotFound
	}
	found, _, err := d.Ledger.Entries(ctx, by, index, 1)
	if err != nil {
		return view{}, err
	}
	if len(found) != 1 || found[0].Index != index {
		return view{}, writ.ErrNotFound
	}
	leaf := found[0].Leaf
	e, err := ledger.Open(leaf)
	if err != nil {
		return view{}, err
	}
	v := entryView{
		Index: index, Kind: e.Record.Kind, Time: e.Record.Time, Actor: e.Record.Actor, Task: e.Record.Task, KeyID: e.KeyID(), Leaf: e.Hash, Blobs: e.Record.Blobs, Refs: e.Record.Refs,
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, e.Envelope.Payload, "", "  "); err != nil {
		return view{}, err
	}
	v.JSON = lines(pretty.Bytes())
	ctx, cancel := context.WithTimeout(ctx, proveTime)
	defer cancel()
	receipt, err := d.Ledger.Prove(ctx, by, index)
	if err == nil {
		v.Proof = receipt.Proof
		v.Head, err = ledger.CheckReceipt(receipt, leaf, d.Verifier, ledger.Head{})
	}
	switch {
	case err == nil:
		v.Proved = true
	case errors.Is(err, context.DeadlineExceeded):
		v.Because = "no signed checkpoint covers it yet: the signer does not answer"
	case writ.ReasonOf(err) != "":
		v.Because = long(err.Error())
	default:
		return view{}, err
	}
	return view{title: "Entry " + number(index), data: v}, nil
}
