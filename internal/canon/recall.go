package canon

// A Recall remembers what was made of a text, for readers that meet the same texts again and again. What is made must depend
// on the text alone, and nobody changes it. The zero Recall is empty; it is for one goroutine.
type Recall[V any] struct{ m map[string]V }

// Bounds of a Recall: names of a large deployment. Beyond the first everything is forgotten, so that texts which stand there
// once cannot fill the memory; a longer text is made anew each time.
const (
	maxRecalled     = 4096
	maxRecalledText = 512
)

// Get returns what made made of this text, now or before. Only what came without an error is remembered. made keeps nothing of
// the slice.
func (r *Recall[V]) Get(text []byte, made func([]byte) (V, error)) (V, error) {
	if v, known := r.m[string(text)]; known {
		return v, nil
	}
	v, err := made(text)
	if err == nil && len(text) <= maxRecalledText {
		if r.m == nil || len(r.m) >= maxRecalled {
			r.m = map[string]V{}
		}
		r.m[string(text)] = v
	}
	return v, err
}

// Word is Get for the text itself.
func Word(r *Recall[string], text []byte) string {
	s, _ := r.Get(text, func(b []byte) (string, error) { return string(b), nil })
	return s
}
