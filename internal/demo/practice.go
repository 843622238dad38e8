package demo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

// practiceFile says, in the directory of a practice installation, where its storefront is told what goes wrong. It holds a
// secret: whoever has it can break the storefront, which is there to be broken.
const practiceFile = "storefront.json"

// Limits of the practice storefront.
const (
	practiceVerify = "within_seconds: 20}" // a repair has this long to show its effect: the machine is also somebody's workplace
	firstBase      = 8420                  // Writ's own ports, as writ init has them
	lastBase       = 8920                  // the last ten that are tried when these are taken
	maxTrouble     = 64                    // bytes of a trouble's name
	practiceTime   = 10 * time.Second      // to read one request
)

// A practiceDoor is the content of practiceFile.
type practiceDoor struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// A Practice is a storefront that runs on its own, with an installation of Writ beside it.
type Practice struct {
	shop   *storefront.Shop
	in     setup.Installation
	url    string
	digest [sha256.Size]byte
	door   *http.Server
	served chan error
}

// OpenPractice opens the storefront and writes an installation of Writ for it into dir, which must not exist or be empty. Its
// agents are diagnose and repair, its person is you; for each there is a configuration of the command line. The caller calls
// Wait.
func OpenPractice(ctx context.Context, dir string, log *slog.Logger) (_ *Practice, err error) {
	shopStage, err := openShop(ctx, Options{Progress: io.Discard, Log: log})
	if err != nil {
		return nil, err
	}
	p := &Practice{shop: shopStage.shop, served: make(chan error, 1)}
	defer func() {
		if err != nil {
			p.shop.Stop()
		}
	}()
	target, err := shopStage.target()
	if err != nil {
		return nil, err
	}
	base, err := freeBase(ctx)
	if err != nil {
		return nil, err
	}
	o := setup.Options{
		Listen: at(base), Runners: at(base + 1), Admin: at(base + 2), Signer: at(base + 3),
		Services: shopStage.services(), Targets: []setup.Target{target}, Sources: []string{alertSource}, Now: time.Now(),
		Agents: []setup.Agent{
			{Name: diagnoser, Team: "observability", Owner: agentOwner, Roles: []string{"diagnose"}},
			{Name: repairer, Team: team, Owner: repairOwner, Roles: []string{"repair"}},
		},
		People: []setup.Person{{Sub: person, Groups: shopStage.groups()}, {Sub: agentOwner, Groups: []string{team}}, {Sub: repairOwner, Groups: []string{team}}},
	}
	for _, b := range shopStage.playbooks() {
		o.Playbooks = append(o.Playbooks, []byte(strings.ReplaceAll(string(b), "within_seconds: 5}", practiceVerify)))
	}
	if p.in, err = setup.Write(dir, o); err != nil {
		return nil, err
	}
	p.url = "http://" + o.Listen
	for _, a := range []string{diagnoser, repairer} {
		if err := p.agentFile(a); err != nil {
			return nil, err
		}
	}
	if err := p.listen(ctx); err != nil {
		return nil, err
	}
	token, err := os.ReadFile(p.in.Tokens[alertSource])
	if err != nil {
		return nil, err
	}
	p.shop.SendAlertsTo(p.url+"/v1/alerts/alertmanager", strings.TrimSpace(string(token)))
	return p, nil
}

// Installation is what was written.
func (p *Practice) Installation() setup.Installation { return p.in }

// URL is where Writ will be.
func (p *Practice) URL() string { return p.url }

// Wait serves until ctx ends, and closes the storefront.
func (p *Practice) Wait(ctx context.Context) error {
	defer p.shop.Stop()
	select {
	case err := <-p.served:
		return err
	case <-ctx.Done():
		return p.door.Close()
	}
}

// agentFile lets the command line call as an agent.
func (p *Practice) agentFile(name string) error {
	b, err := yaml.Marshal(config.Client{Server: p.url, TokenFile: filepath.Join("tokens", name)})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.in.Dir, "cli-"+name+".yaml"), b, 0o600)
}

// listen opens the door at which troubles are asked for, on loopback and with a secret.
func (p *Practice) listen(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var secret [16]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return errors.Join(err, l.Close())
	}
	token := hex.EncodeToString(secret[:])
	p.digest = sha256.Sum256([]byte("Bearer " + token))
	b, err := json.Marshal(practiceDoor{URL: "http://" + l.Addr().String(), Token: token})
	if err == nil {
		err = pin.CreateFile(filepath.Join(p.in.Dir, practiceFile), append(b, '\n'))
	}
	if err != nil {
		return errors.Join(err, l.Close())
	}
	p.door = &http.Server{Handler: http.HandlerFunc(p.hear), ReadTimeout: practiceTime, MaxHeaderBytes: 8 << 10}
	go func() { p.served <- p.door.Serve(l) }()
	return nil
}

// hear lets one trouble happen: POST /<trouble>.
func (p *Practice) hear(w http.ResponseWriter, r *http.Request) {
	got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
	if subtle.ConstantTimeCompare(got[:], p.digest[:]) != 1 {
		http.Error(w, "the secret is in "+practiceFile, http.StatusUnauthorized)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	i := indexTrouble(name)
	if r.Method != http.MethodPost || i < 0 {
		http.Error(w, "there is no such trouble", http.StatusNotFound)
		return
	}
	if err := practiceTroubles[i].happen(p.shop); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// freeBase finds four ports in a row for an installation, from Writ's own upwards.
func freeBase(ctx context.Context) (int, error) {
	for base := firstBase; base <= lastBase; base += 10 {
		if free(ctx, base, 4) {
			return base, nil
		}
	}
	return 0, fmt.Errorf("%w: no four free ports were found on 127.0.0.1 from %d to %d", writ.ErrUnavailable, firstBase, lastBase+3)
}

// free says whether nobody listens on n ports from first.
func free(ctx context.Context, first, n int) bool {
	for port := first; port < first+n; port++ {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", at(port))
		if err != nil {
			return false
		}
		defer l.Close() // all stay open until all are known
	}
	return true
}

func at(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
