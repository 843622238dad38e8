package httpapi_test

import (
	"errors"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/httpapi"
)

func TestI09UnitsAreCountedWhereTheConfigurationSays(t *testing.T) {
	two, five := 2, 5
	for name, x := range map[string]struct {
		blast httpapi.BlastConfig
		want  writ.Units
	}{
		"all but one":                            {httpapi.BlastConfig{ReplicasFrom: "/replicas", ReadyFrom: "/replicas"}, writ.Units{Wanted: 3, Ready: 3, Down: 1, Floor: 2, By: writ.FloorDefault}},
		"a floor":                                {httpapi.BlastConfig{ReplicasFrom: "/replicas", ReadyFrom: "/replicas", Down: &two, Floor: &five}, writ.Units{Wanted: 3, Ready: 3, Down: 2, Floor: 5, By: writ.FloorBudget}},
		"a floor that is missing is all of them": {httpapi.BlastConfig{ReplicasFrom: "/replicas", ReadyFrom: "/replicas", FloorFrom: "/nosuch"}, writ.Units{Wanted: 3, Ready: 3, Down: 1, Floor: 3, By: writ.FloorBudget}},
		"no more go than there are":              {httpapi.BlastConfig{ReplicasFrom: "/replicas", ReadyFrom: "/replicas", Down: &five}, writ.Units{Wanted: 3, Ready: 3, Down: 3, Floor: 2, By: writ.FloorDefault}},
	} {
		t.Run(name, func(t *testing.T) {
			s := shop(t)
			c := config(t, s, s.AdminURL())
			for i := range c.Operations {
				if c.Operations[i].Name == "httpapi/release.set" {
					c.Operations[i].Blast = x.blast
				}
			}
			p := plan(t, connect(t, c), setRelease("checkout", "v40"))
			x.want.Workload = "httpapi://shop/services/checkout"
			if len(p.Step.Units) != 1 || p.Step.Units[0] != x.want {
				t.Errorf("%+v, want %+v", p.Step.Units, x.want)
			}
		})
	}
}

func TestAFloorWithoutACountIsRefusedWhenItIsLoaded(t *testing.T) {
	s := shop(t)
	one, less := 1, -1
	for name, b := range map[string]httpapi.BlastConfig{
		"a floor without a count": {Floor: &one}, "a step without a count": {Down: &one}, "a negative floor": {ReadyFrom: "/replicas", Floor: &less},
		"a negative step": {ReadyFrom: "/replicas", Down: &less}, "no pointer": {ReadyFrom: "replicas"},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, s, s.AdminURL())
			c.Operations[0].Blast = b
			if _, err := httpapi.New(c, httpapi.Options{}); !errors.Is(err, writ.ErrInvalid) {
				t.Errorf("%v", err)
			}
		})
	}
}
