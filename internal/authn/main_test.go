package authn_test

import (
	"testing"

	"github.com/writ-dev/writ/internal/testbed"
)

var shared testbed.Shared

func TestMain(m *testing.M) { testbed.Main(m, &shared) }
