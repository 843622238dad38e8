// Package policies holds the policy bundles that Writ ships. A deployment begins with a copy of Default and makes it
// its own.
package policies

import (
	"embed"
	"io/fs"
)

//go:embed default dev
var files embed.FS

// Default returns the bundle for production.
func Default() fs.FS { return sub("default") }

// Dev returns Default with the tiers of serve --dev, where a plain SSH key can approve up to tier 2.
func Dev() fs.FS { return overlay{base: sub("default"), over: sub("dev")} }

func sub(dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // the directory is part of the program
	}
	return f
}

// overlay is base with some of its files replaced. It lists what base lists.
type overlay struct{ base, over fs.FS }

func (o overlay) Open(name string) (fs.File, error) {
	if info, err := fs.Stat(o.over, name); err == nil && !info.IsDir() {
		return o.over.Open(name)
	}
	return o.base.Open(name)
}
