package httpapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/storefront"
)

// A T1 lease cannot do T2 work even if everything above the connector is wrong: neither the connector mints it, nor
// does the target give its T1 client the scope.
func TestEachTierHasItsOwnCredentialClass(t *testing.T) {
	s := shop(t)
	x := connect(t, config(t, s, s.AdminURL()))
	restart := plan(t, x, draft("checkout", "httpapi/service.restart", writ.Parameters{"service": writ.String("checkout")}))
	r := request(false, restart)
	r.Tier = writ.T1
	_, err := x.Lease(t.Context(), r, func([]byte) error { return nil })
	wantReason(t, "a T2 step under a T1 lease", err, writ.ReasonLeaseFailed)

	c := config(t, s, s.AdminURL())
	i := slices.IndexFunc(c.Operations, func(o httpapi.OperationConfig) bool { return o.Name == "httpapi/service.restart" })
	c.Operations[i].Tier = writ.T2
	c.Token.Clients[0].Tier = writ.T2 // a runner that believes its T1 client may do T2 work
	c.Token.Clients = c.Token.Clients[:1]
	x = connect(t, c)
	_, err = x.Lease(t.Context(), request(false, restart), func([]byte) error { return nil })
	wantReason(t, "a scope that the target does not give to the client", err, writ.ReasonForbidden)
	if s.LiveTokens(storefront.ClientT1) != 0 {
		t.Error("a token was left behind")
	}
}

func TestATokenWithMoreThanAskedForIsRefusedAndRevoked(t *testing.T) {
	for what, change := range map[string]func(map[string]any){
		"scope": func(m map[string]any) { m["scope"] = m["scope"].(string) + " admin" },
		"life":  func(m map[string]any) { m["expires_in"] = 3600 },
		"type":  func(m map[string]any) { m["token_type"] = "mac" },
	} {
		t.Run(what, func(t *testing.T) {
			s, w, x := wired(t)
			p := plan(t, x, setRelease("checkout", "v40"))
			w.answers(func(r *http.Request, res *http.Response) {
				if r.URL.Path != "/oauth/token" {
					return
				}
				var m map[string]any
				if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
					t.Error(err)
				}
				change(m)
				b, err := json.Marshal(m)
				if err != nil {
					t.Error(err)
				}
				res.Header.Del("Content-Length")
				res.Body = io.NopCloser(strings.NewReader(string(b)))
			})
			_, err := x.Lease(t.Context(), request(false, p), func([]byte) error { return nil })
			wantReason(t, what, err, writ.ReasonForbidden)
			if n := s.LiveTokens(storefront.ClientT2); n != 0 {
				t.Errorf("%d tokens live on", n)
			}
		})
	}
}
