package storefront

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed text/catalog-info.yaml
var catalogInfo []byte

//go:embed text/connector.yaml
var connectorYAML string

//go:embed text/playbooks/*.yaml
var playbooks embed.FS

// Names of the files that ConnectorYAML refers to; Files gives their bytes.
const (
	FileDocument = "shop-openapi.json"
	FileReader   = "shop-reader.secret"
	FileT1       = "shop-t1.secret"
	FileT2       = "shop-t2.secret"
)

// CatalogInfo is the service catalogue of the shop: a catalog-info.yaml with one document for each service.
func CatalogInfo() []byte { return bytes.Clone(catalogInfo) }

// Playbooks are the shop's repairs, by file name: rollback-release and set-flag of T1, scale-service and
// restart-service of T2.
func Playbooks() (map[string][]byte, error) {
	names, err := fs.Glob(playbooks, "text/playbooks/*.yaml")
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, name := range names {
		if out[path.Base(name)], err = fs.ReadFile(playbooks, name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ConnectorYAML is the configuration of an httpapi connector for the shop whose admin API is at adminURL, under the
// target name shop.
func ConnectorYAML(adminURL string) []byte {
	return []byte(strings.ReplaceAll(connectorYAML, "{admin_url}", adminURL))
}

// Files are the files that ConnectorYAML names: the OpenAPI document and the secrets of the OAuth clients.
func (s *Shop) Files() map[string][]byte {
	out := map[string][]byte{FileDocument: Document()}
	for file, id := range map[string]string{FileReader: ClientReader, FileT1: ClientT1, FileT2: ClientT2} {
		out[file] = []byte(s.auth.secrets[id])
	}
	return out
}

// ReadFile returns one of Files by its name.
func (s *Shop) ReadFile(name string) ([]byte, error) {
	b, ok := s.Files()[name]
	if !ok {
		return nil, fmt.Errorf("shop: %s: %w", name, fs.ErrNotExist)
	}
	return b, nil
}
