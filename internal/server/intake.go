package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/event"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/pin"
)

// intake is the door of configured event sources, or nil if there are none. With intake.listen it also gets a listener of
// its own, which takes nobody without a certificate.
func (s *Server) intake(c config.Server) (http.Handler, error) {
	if c.Intake == nil {
		return nil, nil
	}
	sources := map[string]event.Source{}
	for _, x := range c.Intake.Sources {
		made := x.Source()
		for _, name := range x.Services {
			if _, err := s.Control.Services.Find(name); err != nil {
				return nil, fmt.Errorf("%w: intake source %s: services: %w", writ.ErrInvalid, x.Name, err)
			}
		}
		for _, ref := range x.SecretFiles {
			text, err := config.ReadSecret(c.Dir, ref, pin.ReadFile)
			if err != nil {
				return nil, fmt.Errorf("intake source %s: secret_files: %w", x.Name, err)
			}
			b, err := event.SecretBytes(text)
			if err != nil {
				return nil, fmt.Errorf("intake source %s: secret_files: %w", x.Name, err)
			}
			made.Proof.Secrets = append(made.Proof.Secrets, b)
		}
		for _, ref := range x.TokenFiles {
			text, err := config.ReadSecret(c.Dir, ref, pin.ReadFile)
			if err != nil {
				return nil, fmt.Errorf("intake source %s: token_files: %w", x.Name, err)
			}
			if len(text) < event.MinSecret {
				return nil, fmt.Errorf("%w: intake source %s: token_files: a token has at least %d characters: openssl rand -hex 32 makes one", writ.ErrInvalid, x.Name, event.MinSecret)
			}
			made.Proof.Tokens = append(made.Proof.Tokens, []byte(text))
		}
		sources[x.Name] = made
	}
	h, err := api.IntakeHandler(api.Intake{Sources: sources, Issuer: c.Issuer, Alerts: s.Control, Log: s.log, Now: fault.Clock()})
	if err != nil || c.Intake.Listen == "" {
		return h, err
	}
	mutual, err := mutualTLS(c)
	if err != nil {
		return nil, err
	}
	return h, s.add("the intake of events", c.Intake.Listen, h, mutual, connectionAge)
}

// mutualTLS takes nobody without a certificate that the sources' own authority has signed.
func mutualTLS(c config.Server) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.Path(c.TLS.Cert), c.Path(c.TLS.Key))
	if err != nil {
		return nil, fmt.Errorf("%w: tls: %w", writ.ErrInvalid, err)
	}
	pem, err := os.ReadFile(c.Path(c.Intake.ClientCA))
	if err != nil {
		return nil, fmt.Errorf("%w: intake.client_ca: %w", writ.ErrInvalid, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w: intake.client_ca must hold certificates in PEM", writ.ErrInvalid)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}, nil
}
