package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/rotate"
	"github.com/writ-dev/writ/internal/signer"
)

// A Signer is the process that holds the checkpoint key.
type Signer struct {
	signer *signer.Signer
	door   listener
}

// NewSigner opens the checkpoint key and the last head signed, and binds its one door, for the control plane alone.
func NewSigner(c config.Signer, log *slog.Logger) (*Signer, error) {
	key, others, err := rotate.Log{File: c.Path(c.Key)}.Load()
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	identity, err := pin.Load(c.Path(c.TLSKey))
	if err != nil {
		return nil, fmt.Errorf("tls_key: %w", err)
	}
	allowed := map[string]string{c.Server: "control"}
	if c.Next != "" {
		allowed[c.Next] = "control"
	}
	secure, err := pin.ServerTLS(identity, allowed)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if _, err := os.Stat(c.Path(c.State)); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("state: %w: it is made once, by writ init; a signer without its memory would sign a fork", err)
	}
	s, err := signer.Open(c.Path(c.State), c.Origin, key, others...)
	if errors.Is(err, writ.ErrConflict) {
		return nil, inUse(err)
	}
	if err != nil {
		return nil, err
	}
	door, err := listen("the signer", c.Listen, signer.Handler(s), secure, 0)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	log.Info("listening", "door", "signer", "address", door.address())
	if len(others) > 0 {
		log.Info("the log's key is being replaced: each checkpoint is signed by more than one", "keys", 1+len(others))
	}
	return &Signer{s, door}, nil
}

// inUse says what to do when another process has a file that only one may have.
func inUse(err error) error {
	return &writ.Refusal{
		Code: writ.ReasonUnavailable, Kind: writ.ErrConflict, Detail: writ.Printable(err.Error(), 400),
		Hint: "end the writ process that runs with this configuration first",
	}
}

// Serve runs until ctx ends.
func (s *Signer) Serve(ctx context.Context) error {
	return errors.Join(s.door.serve(ctx), s.signer.Close())
}
