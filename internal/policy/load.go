package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/playbook/strictyaml"
	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// Files of a bundle.
const (
	fileSchema = "schema.cedarschema"
	fileTiers  = "tiers.yaml"
	dirTests   = "tests"

	// FileSignature holds the owners' signatures on the others; it is no source. Package seal reads it.
	FileSignature = "bundle.sig"
)

// Limits of a bundle. Sizes are checked before anything is parsed.
const (
	MaxFile  = 256 << 10 // the parser recurses: megabytes of parentheses would exhaust the stack
	MaxFiles = 1000
	MaxRules = 20_000 // 24 MiB and 0.4 s to load
)

// Load reads a bundle from a file system and checks all of it. Errors wrap writ.ErrInvalid; on error there is no
// bundle, and the caller keeps the one it has.
func Load(fsys fs.FS, v Vocabulary) (*Bundle, error) {
	sources, _, err := ReadSources(fsys)
	if err != nil {
		return nil, err
	}
	return LoadSources(sources, v)
}

// ReadSources reads the files of a set, and apart from them the signature file, which may be missing. Of each file one
// byte more than MaxFile is read, so that whoever checks the size sees that it is too large. Errors wrap writ.ErrInvalid.
func ReadSources(fsys fs.FS) (sources map[string][]byte, signature []byte, err error) {
	sources = map[string][]byte{}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if len(sources) == MaxFiles {
			return fmt.Errorf("more than %d files", MaxFiles)
		}
		limit := int64(MaxFile + 1)
		if name == FileSignature {
			limit = maxSignature
		}
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, limit))
		if name == FileSignature {
			signature = b
		} else {
			sources[name] = b
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%w: policy bundle: %w", writ.ErrInvalid, err)
	}
	return sources, signature, nil
}

// maxSignature is one byte more than package seal takes.
const maxSignature = 512<<10 + 1

// LoadSources is Load for sources by path, with '/' between folders.
func LoadSources(sources map[string][]byte, v Vocabulary) (*Bundle, error) {
	b, err := load(sources, v)
	if err != nil {
		return nil, fmt.Errorf("%w: policy bundle: %w", writ.ErrInvalid, err)
	}
	return b, nil
}

func load(sources map[string][]byte, v Vocabulary) (*Bundle, error) {
	if len(sources) > MaxFiles {
		return nil, fmt.Errorf("more than %d files", MaxFiles)
	}
	names := slices.Sorted(maps.Keys(sources))
	if err := each(len(names), func(i int) error { return checkFile(names[i], sources[names[i]]) }); err != nil {
		return nil, err
	}
	v, err := v.canonical()
	if err != nil {
		return nil, err
	}
	schema, full, err := completeSchema(sources[fileSchema], v)
	if err != nil {
		return nil, err
	}
	b := &Bundle{schema: schema, rules: map[string]*rule{}, tests: map[string][]byte{}}
	if b.tiers, err = parseTiers(sources[fileTiers]); err != nil {
		return nil, fmt.Errorf("%s: %w", fileTiers, err)
	}
	if err := b.tiers.knows(v); err != nil {
		return nil, fmt.Errorf("%s: %w", fileTiers, err)
	}
	var files []string
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, dirTests+"/"):
			b.tests[name] = bytes.Clone(sources[name])
		case strings.HasSuffix(name, ".cedar"):
			files = append(files, name)
		}
	}
	if err := b.add(files, sources); err != nil {
		return nil, err
	}
	if n := len(b.Channels()); n > writ.MaxNotify {
		return nil, fmt.Errorf("@%s names %d channels; nobody reads more than %d", keyNotify, n, writ.MaxNotify)
	}
	if len(b.rules) == 0 {
		return nil, errors.New("it holds no policy")
	}
	b.known = Words{Envs: schema.Enum(typeEnv), Roles: schema.Enum(typeRole), Planes: schema.Enum(typePlane)}
	b.index = newIndex(schema, b.rules)
	b.digest, err = digest(sources, full, v)
	return b, err
}

// checkFile refuses what does not belong into a bundle, before anything parses it.
func checkFile(name string, src []byte) error {
	if len(src) > MaxFile {
		return fmt.Errorf("%s is larger than %d bytes", writ.Printable(name, 80), MaxFile)
	}
	dir, base := path.Split(name)
	known := name == fileSchema || name == fileTiers
	switch dir {
	case string(Grants) + "/", string(Limits) + "/", string(Requirements) + "/":
		stem, ok := strings.CutSuffix(base, ".cedar")
		known = ok && writ.IsName(stem)
	case dirTests + "/":
		stem, ok := strings.CutSuffix(base, ".yaml")
		known = ok && writ.IsName(stem)
	}
	if !known {
		return fmt.Errorf("%s does not belong into a bundle: there are %s, %s, {grants,limits,requirements}/*.cedar and tests/*.yaml",
			writ.Printable(name, 80), fileSchema, fileTiers)
	}
	if err := strictyaml.CheckText(src); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// add parses and checks the sources, several at once, and takes their policies in, in the order of files. The first
// refusal in that order is the one that is told.
func (b *Bundle) add(files []string, sources map[string][]byte) error {
	found, errs := make([][]*rule, len(files)), make([]error, len(files))
	_ = each(len(files), func(i int) error { // told below, after ids that are taken before it
		folder, _, _ := strings.Cut(files[i], "/")
		found[i], errs[i] = b.read(Folder(folder), files[i], sources[files[i]])
		return nil
	})
	for i, rules := range found {
		for _, r := range rules {
			if other := b.rules[r.ID]; other != nil {
				return fmt.Errorf("%s:%d: @id %q is taken by %s:%d", r.File, r.Line, r.ID, other.File, other.Line)
			}
			if len(b.rules) == MaxRules {
				return fmt.Errorf("more than %d policies", MaxRules)
			}
			b.rules[r.ID] = r
		}
		if errs[i] != nil {
			return errs[i]
		}
	}
	return nil
}

// each calls do for 0 to n-1, from as many goroutines as there are processors, and returns when all are done. The error
// is that of the lowest.
func each(n int, do func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				errs[i] = do(i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// read parses one source and returns its policies, up to the first that is refused.
func (b *Bundle) read(folder Folder, name string, src []byte) ([]*rule, error) {
	ps, err := cedarx.Parse(name, src)
	if err != nil {
		return nil, errors.New(writ.Printable(err.Error(), 400))
	}
	if len(ps) > MaxRules {
		return nil, fmt.Errorf("more than %d policies", MaxRules)
	}
	out := make([]*rule, 0, len(ps))
	for _, p := range ps {
		where := func() string { return fmt.Sprintf("%s:%d", name, p.Line) }
		if err := b.check(folder, p); err != nil {
			return out, fmt.Errorf("%s: %w", where(), err)
		}
		r := &rule{Rule: Rule{ID: p.ID, Folder: folder, File: name, Line: p.Line}, policy: p}
		if err := annotate(r, p); err != nil {
			return out, fmt.Errorf("%s: %s: %w", where(), p.ID, err)
		}
		r.reading()
		out = append(out, r)
	}
	return out, nil
}

// check refuses a policy that its folder, the schema or lint does not allow.
func (b *Bundle) check(folder Folder, p *cedarx.Policy) error {
	rest, within := strings.CutPrefix(p.ID, string(folder)+"/")
	switch {
	case p.ID == "":
		return errors.New("the policy has no @id")
	case !within || !writ.IsName(rest):
		return fmt.Errorf("@id %q must be %s/<name>", writ.Printable(p.ID, 80), folder)
	case folder == Grants && p.Forbid:
		return fmt.Errorf("%s: grants/ holds permits only", p.ID)
	case folder != Grants && !p.Forbid:
		return fmt.Errorf("%s: %s/ holds forbids only", p.ID, folder)
	}
	if s := p.Scope(); folder == Grants && (len(s.Actions) == 0 || !s.ResourceType) {
		return fmt.Errorf("%s: a grant names an action or a group of actions, and the type of its resource, in its head", p.ID)
	}
	if err := b.schema.CheckPolicy(p); err != nil {
		return fmt.Errorf("%s: %s", p.ID, writ.Printable(strings.ReplaceAll(err.Error(), "\n", "; "), 400))
	}
	found, err := b.schema.Lint(p)
	if err != nil {
		return fmt.Errorf("%s: %w", p.ID, err)
	}
	if len(found) > 0 {
		return fmt.Errorf("%s: %s", p.ID, writ.Printable(strings.Join(found, "; "), 400))
	}
	return nil
}

// digest is taken over everything that a decision can depend on, in one order.
func digest(sources map[string][]byte, schema []byte, v Vocabulary) (writ.Digest, error) {
	type file struct {
		Path   string      `json:"path"`
		Digest writ.Digest `json:"digest"`
	}
	manifest := struct {
		V          int         `json:"v"`
		Engine     string      `json:"engine"`
		Schema     writ.Digest `json:"schema"`
		Vocabulary Vocabulary  `json:"vocabulary"`
		Files      []file      `json:"files"`
	}{V: writ.FormatVersion, Engine: cedarx.Engine, Schema: writ.DigestOf(schema), Vocabulary: v}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		manifest.Files = append(manifest.Files, file{name, writ.DigestOf(sources[name])})
	}
	b, err := canon.Marshal(manifest)
	return writ.DigestOf(b), err
}
