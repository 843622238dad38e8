package oauth

import "github.com/writ-dev/writ"

// Paths of the resources that control-plane tokens are for.
const (
	pathAPI   = "/v1"
	pathTools = "/mcp"
)

// A serverMetadata is what clients find the endpoints by (RFC 8414 section 2, RFC 9396 section 10, RFC 9449 section 5.1,
// RFC 8705 section 3.3).
type serverMetadata struct {
	Issuer        string   `json:"issuer"`
	Token         string   `json:"token_endpoint"`
	Introspection string   `json:"introspection_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
	Keys          string   `json:"jwks_uri"`
	GrantTypes    []string `json:"grant_types_supported"`
	Responses     []string `json:"response_types_supported"` // none: there is no authorization endpoint
	Methods       []string `json:"token_endpoint_auth_methods_supported"`
	Details       []string `json:"authorization_details_types_supported,omitempty"`
	Proofs        []string `json:"dpop_signing_alg_values_supported"`
	Certificates  bool     `json:"tls_client_certificate_bound_access_tokens"`
}

func (e *Endpoint) serverMetadata() serverMetadata {
	url := e.Tokens.URL()
	m := serverMetadata{
		Issuer: url, Token: url + PathToken, Introspection: url + PathIntrospect, Revocation: url + PathRevoke, Keys: url + PathKeys,
		GrantTypes: []string{grantClient, grantJWT}, Responses: []string{},
		Methods: []string{"none", "spiffe_jwt"}, Proofs: []string{"ES256"}, Certificates: e.Certificate,
	}
	if e.Certificate {
		m.Methods = append(m.Methods, "spiffe_x509")
	}
	if e.Grants != nil {
		m.GrantTypes = append(m.GrantTypes, grantExchange)
		m.Details = []string{writ.AuthorizationType}
	}
	return m
}

// A resourceMetadata says who issues tokens for a resource (RFC 9728 section 2).
type resourceMetadata struct {
	Resource     string   `json:"resource"`
	Servers      []string `json:"authorization_servers"`
	Keys         string   `json:"jwks_uri"`
	Methods      []string `json:"bearer_methods_supported"`
	Proofs       []string `json:"dpop_signing_alg_values_supported"`
	Certificates bool     `json:"tls_client_certificate_bound_access_tokens"`
	Name         string   `json:"resource_name"`
}

func (e *Endpoint) resourceMetadata(path string) resourceMetadata {
	url := e.Tokens.URL()
	return resourceMetadata{
		Resource: url + path, Servers: []string{url}, Keys: url + PathKeys, Methods: []string{"header"},
		Proofs: []string{"ES256"}, Certificates: e.Certificate, Name: "Writ",
	}
}
