package bench

import "github.com/writ-dev/writ/internal/control"

// Control returns the world's control plane, for whoever measures a door in front of it.
func (w *World) Control() *control.Control { return w.control }
