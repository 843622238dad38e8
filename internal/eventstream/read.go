package eventstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrTooLong is returned for an event that has more bytes than its reader takes.
var ErrTooLong = errors.New("an event of the stream is too long")

// A Reader reads the events of a stream. It is for one goroutine.
type Reader struct {
	lines *bufio.Scanner
	most  int
	data  []byte
}

// NewReader reads events of at most most bytes of data, in lines of as many.
func NewReader(r io.Reader, most int) *Reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, most)
	return &Reader{lines: lines, most: most}
}

// Next returns the data of the next event that has any: its lines, with line feeds between them. It is valid until the call
// after. Other fields and comments are passed over. At the end it returns io.EOF, also in the midst of an event, which then is
// none (section 9.2.6).
func (r *Reader) Next() ([]byte, error) {
	r.data = r.data[:0]
	for r.lines.Scan() {
		line := r.lines.Bytes()
		if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			r.data = append(append(r.data, bytes.TrimPrefix(value, []byte(" "))...), '\n')
			if len(r.data) > r.most {
				return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLong, r.most)
			}
			continue
		}
		if data := bytes.TrimSuffix(r.data, []byte("\n")); len(line) == 0 && len(data) > 0 {
			return data, nil
		}
		if len(line) == 0 {
			r.data = r.data[:0]
		}
	}
	err := r.lines.Err()
	switch {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLong, r.most)
	}
	return nil, err
}
