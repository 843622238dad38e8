package trustdomain

import (
	"bytes"
	"encoding/pem"
	"testing"
)

// Authorities returns the X.509 authorities of the bundle in PEM, as spire-server bundle show prints them.
func (d *Domain) Authorities(t testing.TB) []byte {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var out bytes.Buffer
	for _, a := range d.trusted {
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}
