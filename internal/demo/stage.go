package demo

import (
	"context"

	"github.com/writ-dev/writ/internal/setup"
)

// A query is one reading that an agent asks for.
type query struct {
	reader string
	with   map[string]any
}

// A repair is one playbook with parameters.
type repair struct {
	playbook string
	with     map[string]any
}

// Trouble is something that has gone wrong on the target, and what the agents make of it.
type trouble struct {
	service string
	story   string // what happened, for people
	queries []query
	because string // the repairing agent's claim
	repair  repair
}

// A stage is a target to play on. Its troubles are real: the target fails until they are repaired or taken away.
type stage interface {
	target() (setup.Target, error)
	services() []byte
	playbooks() [][]byte
	groups() []string // of the person who approves
	alertsTo(url, token string)

	badRelease(ctx context.Context) (trouble, error)
	needsPerson(ctx context.Context) (trouble, error)
	noHelp(ctx context.Context) (trouble, error)
	unchanged(ctx context.Context) error // after noHelp's run: field by field as before it
	hostile(ctx context.Context) (trouble, error)
	untouched(ctx context.Context) error // after the attacks: nothing was written since calm
	calm(ctx context.Context) error      // takes away what is left of a trouble
	close()
}

func openStage(ctx context.Context, o Options, dir string) (stage, error) {
	if o.Kubeconfig != "" {
		return openCluster(ctx, o)
	}
	return openShop(ctx, o)
}
