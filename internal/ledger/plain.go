package ledger

import (
	"bytes"
	"encoding/base64"
)

// The canonical form of an envelope with one signature and plain names is these texts with the four values in between.
// Whatever looks like it is written and read here, without a JSON parser; everything else by canon, whose verdict is
// the same (FuzzAnEnvelopeIsReadAsCanonReadsIt).
const (
	beforePayload = `{"payload":"`
	beforeType    = `","payloadType":"`
	beforeKeyID   = `","signatures":[{"keyid":"`
	beforeSig     = `","sig":"`
	afterSig      = `"}]}`
)

// write returns the canonical form of e, or false when it is not a plain one.
func (e Envelope) write() ([]byte, bool) {
	if len(e.Payload) == 0 || len(e.Signatures) != 1 || len(e.Signatures[0].Sig) == 0 {
		return nil, false
	}
	s, text := e.Signatures[0], base64.StdEncoding
	if !plain(e.PayloadType) || !plain(s.KeyID) {
		return nil, false
	}
	n := len(beforePayload+beforeType+beforeKeyID+beforeSig+afterSig) + len(e.PayloadType) + len(s.KeyID)
	b := make([]byte, 0, n+text.EncodedLen(len(e.Payload))+text.EncodedLen(len(s.Sig)))
	b = text.AppendEncode(append(b, beforePayload...), e.Payload)
	b = append(append(b, beforeType...), e.PayloadType...)
	b = append(append(b, beforeKeyID...), s.KeyID...)
	b = text.AppendEncode(append(b, beforeSig...), s.Sig)
	return append(b, afterSig...), true
}

// read takes exactly what write makes. False says nothing about b but that canon must look at it.
func read(b []byte) (Envelope, bool) {
	var parts [4][]byte
	rest, ok := bytes.CutPrefix(b, []byte(beforePayload))
	for i, end := range []string{beforeType, beforeKeyID, beforeSig, afterSig} {
		if ok {
			parts[i], rest, ok = bytes.Cut(rest, []byte(end))
		}
	}
	if !ok {
		return Envelope{}, false
	}
	payload, err := base64.StdEncoding.AppendDecode(nil, parts[0])
	if err != nil {
		return Envelope{}, false
	}
	sig, err := base64.StdEncoding.AppendDecode(nil, parts[3])
	if err != nil {
		return Envelope{}, false
	}
	e := Envelope{Payload: payload, PayloadType: string(parts[1]), Signatures: []Signature{{string(parts[2]), sig}}}
	again, ok := e.write()
	return e, ok && bytes.Equal(again, b)
}

// plain reports whether JSON writes s as it is.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}
