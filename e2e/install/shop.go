package install

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

// Shop is a storefront as a target of the given name. Its files are named for it, so that one runner can serve several.
func Shop(t testing.TB, s *storefront.Shop, name string) setup.Target {
	t.Helper()
	return ShopAt(t, s, s.AdminURL(), name)
}

// ShopAt is Shop for a runner that reaches the admin API at another URL: a Wire's.
func ShopAt(t testing.TB, s *storefront.Shop, url, name string) setup.Target {
	t.Helper()
	text := strings.Replace(string(storefront.ConnectorYAML(url)), "target: shop", "target: "+name, 1)
	files := map[string][]byte{}
	for file, b := range s.Files() {
		text = strings.ReplaceAll(text, file, name+"-"+file)
		files[name+"-"+file] = b
	}
	c, err := httpapi.ParseConfig([]byte(text))
	must(t, err)
	must(t, c.Load(func(file string) ([]byte, error) { return s.ReadFile(strings.TrimPrefix(file, name+"-")) }))
	conn, err := httpapi.New(c, httpapi.Options{Now: time.Now, Rand: rand.Reader})
	must(t, err)
	files[name+".yaml"] = []byte(text)
	return setup.Target{Location: writ.Location("httpapi://" + name), Connector: name + ".yaml", Files: files, Catalogue: conn.Catalogue()}
}
