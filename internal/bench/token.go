package bench

import "github.com/writ-dev/writ/internal/control"

// Control is the world's control plane, for measurements of what stands before it.
func (w *World) Control() *control.Control { return w.control }
