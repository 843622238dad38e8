package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/bridge"
	"github.com/writ-dev/writ/internal/config"
)

// runMCP is the bridge for agents that start their tools as a process and speak over its standard input and output.
func runMCP(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "mcp", "--server https://writ.example (--token-file FILE | --assertion-file FILE [--svid] | --client-cert FILE --client-key FILE)",
		"Carries MCP between standard input and output and the agents' door of a Writ. The credential is read again for each call or token, so that whatever renews it can write it there; FILE may be env:NAME, and is never the secret itself.")
	server := f.String("server", "", "`address` of Writ, without /mcp")
	external := f.String("external-url", "", "`URL` that the server calls itself by, if it is not the address")
	ca := f.String("ca", "", "`file` of certificates in PEM that vouch for the server; default the system's")
	token := f.String("token-file", "", "`file` with a bearer token, or env:NAME")
	assertion := f.String("assertion-file", "", "`file` with the platform's token (service account, OpenID Connect, JWT-SVID), or env:NAME: exchanged for tokens that a key of this process holds, with a proof in each call (DPoP)")
	cert := f.String("client-cert", "", "`file` in PEM with an X.509-SVID, shown in each connection; alone it is exchanged for tokens that a key of this process holds")
	certKey := f.String("client-key", "", "`file` in PEM with its key")
	serverID := f.String("server-id", "", "the `SPIFFE ID` that the server shows, where it has an X.509-SVID and no name")
	svid := f.Bool("svid", false, "the assertion is a JWT-SVID")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	const call = "writ mcp --server https://writ.example --token-file env:WRIT_TOKEN"
	switch {
	case *server == "":
		return &usageError{"writ mcp: --server is missing", call}
	case (*cert == "") != (*certKey == ""):
		return &usageError{"writ mcp: --client-cert and --client-key go together", "writ mcp --server https://writ.example:8424 --client-cert svid.pem --client-key svid.key"}
	case *serverID != "" && *cert == "":
		return &usageError{"writ mcp: --server-id goes with --client-cert", "writ mcp --server https://writ.example:8424 --client-cert svid.pem --client-key svid.key --ca bundle.pem --server-id spiffe://corp.example/writ"}
	case *token != "" && *assertion != "", *token == "" && *assertion == "" && *cert == "":
		return &usageError{"writ mcp: give one of --token-file, --assertion-file and --client-cert", call}
	case *svid && *assertion == "":
		return &usageError{"writ mcp: --svid goes with --assertion-file", "writ mcp --server https://writ.example --assertion-file svid.jwt --svid"}
	}
	secret := func(ref string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return config.ReadSecret(".", ref, os.ReadFile) }
	}
	c := client.Config{ExternalURL: *external}
	var authorities []*x509.Certificate
	if *ca != "" {
		pem, err := os.ReadFile(*ca)
		if err != nil {
			return fmt.Errorf("%w: ca: %w", writ.ErrInvalid, err)
		}
		if c.RootCAs, authorities, err = vouchers(pem); err != nil {
			return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
	}
	if *cert != "" {
		door, err := certified(*cert, *certKey, *serverID, c.RootCAs, authorities)
		if err != nil {
			return err
		}
		c.HTTPClient, c.RootCAs = door, nil
	}
	if *token != "" {
		c.Token = secret(*token)
	} else {
		key, err := client.NewKey()
		if err != nil {
			return err
		}
		c.Source = &client.Source{Key: key, SVID: *svid}
		if *assertion != "" {
			c.Source.Assertion = secret(*assertion)
		}
	}
	door, err := client.New(*server, c)
	if err != nil {
		return err
	}
	return bridge.New(door, a.stdout, slog.New(slog.NewTextHandler(a.stderr, nil))).Serve(ctx, a.stdin)
}
