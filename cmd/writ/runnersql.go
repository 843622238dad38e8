package main

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/server"
)

func runRunnerSQL(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "runner sql", "<postgres://target> -c runner.yaml", "Prints the statements with which a database's owner lets the runner read the views of its configuration, and nothing else. They hold no secret.")
	file := f.String("c", "runner.yaml", "configuration `file`")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	c, err := config.LoadRunner(*file)
	if err != nil {
		return err
	}
	sql, err := server.DatabaseSetup(c, writ.Location(rest[0]))
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(a.stdout, sql)
	return err
}
