package demo

import (
	"embed"
	"io/fs"
	"maps"
	"slices"

	"github.com/writ-dev/writ/internal/storefront"
)

// The library's playbooks with the waits of a demonstration.
//
//go:embed playbooks/*.yaml
var playbookFiles embed.FS

func clusterPlaybooks() [][]byte { return sources("playbooks/cluster-*.yaml") }

// sources reads embedded files; the pattern and the files are fixed when the program is built.
func sources(pattern string) [][]byte {
	names, err := fs.Glob(playbookFiles, pattern)
	if err != nil {
		return nil
	}
	var out [][]byte
	for _, n := range names {
		if b, err := playbookFiles.ReadFile(n); err == nil {
			out = append(out, b)
		}
	}
	return out
}

// shopPlaybooks are those that the storefront ships for itself.
func shopPlaybooks() [][]byte {
	files, err := storefront.Playbooks()
	if err != nil {
		return nil
	}
	var out [][]byte
	for _, name := range slices.Sorted(maps.Keys(files)) {
		out = append(out, files[name])
	}
	return out
}
