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
	p, ok := split(b)
	if !ok {
		return Envelope{}, false
	}
	payload, ok := decode(nil, p.payload)
	if !ok {
		return Envelope{}, false
	}
	sig, ok := decode(nil, p.sig)
	return Envelope{Payload: payload, PayloadType: string(p.payloadType), Signatures: []Signature{{string(p.keyID), sig}}}, ok
}

// parts are the four values as they stand in the text of a plain envelope: names, and base64.
type parts struct{ payload, payloadType, keyID, sig []byte }

// split cuts a plain envelope into its values, which are parts of b. The base64 in it is still to be decoded.
func split(b []byte) (p parts, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(beforePayload))
	for _, next := range []struct {
		value *[]byte
		end   string
	}{{&p.payload, beforeType}, {&p.payloadType, beforeKeyID}, {&p.keyID, beforeSig}, {&p.sig, afterSig}} {
		n := bytes.IndexByte(rest, '"') // no value has one: it would be escaped
		if !ok || n < 0 || !bytes.HasPrefix(rest[n:], []byte(next.end)) {
			return parts{}, false
		}
		*next.value, rest = rest[:n], rest[n+len(next.end):]
	}
	return p, len(rest) == 0 && plain(p.payloadType) && plain(p.keyID)
}

// decode appends what text is the base64 of to dst. It takes the one spelling that encoding gives, and nothing empty.
func decode(dst, text []byte) ([]byte, bool) {
	n := len(dst)
	dst, err := strict.AppendDecode(dst, text)
	// The decoder skips line ends, which no encoder writes: then the text is longer.
	return dst, err == nil && len(dst) > n && strict.EncodedLen(len(dst)-n) == len(text)
}

// strict refuses bits that are left over.
var strict = base64.StdEncoding.Strict()

// plain reports whether JSON writes s as it is.
func plain[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}
