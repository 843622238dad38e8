package approval

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"
)

func FuzzAuthenticatorData(f *testing.F) {
	f.Add(append(bytes.Repeat([]byte{7}, 32), 0x05, 0, 0, 0, 9))
	f.Add(append(bytes.Repeat([]byte{7}, 32), 0x1d, 0, 0, 0, 0))
	f.Add(bytes.Repeat([]byte{0xff}, 37))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseAuthenticatorData(b)
		if err != nil {
			return
		}
		again := binary.BigEndian.AppendUint32(append(d.rp[:], d.flags), d.counter)
		if !bytes.Equal(again, b) {
			t.Fatalf("%x was read as %x", b, again)
		}
	})
}

func FuzzClientData(f *testing.F) {
	f.Add([]byte(`{"type":"webauthn.get","challenge":"AAAA","origin":"https://a.example","crossOrigin":false}`))
	f.Add([]byte(`{"type":"webauthn.get","challenge":"AAAA","origin":"https://a.example","TYPE":"x","topOrigin":"https://b.example"}`))
	f.Add([]byte(`{"type":"webauthn.get","type":"x"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseClientData(b)
		if err != nil {
			return
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil || m["type"] != c.kind || m["challenge"] != c.challenge || m["origin"] != c.origin {
			t.Fatalf("%q was read as %+v: %v", b, c, err)
		}
		if _, framed := m["topOrigin"]; (framed || m["crossOrigin"] == true) != c.cross {
			t.Fatalf("%q: cross origin was read as %v", b, c.cross)
		}
	})
}
