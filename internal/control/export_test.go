package control

import "context"

// WatchCells looks once for runners that are silent.
func (c *Control) WatchCells(ctx context.Context) error { return c.watchCells(ctx) }
