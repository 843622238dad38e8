package testbed

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// WriteLog appends lines to the log that every pod of the cluster shows, stamped with the present time. Tests that run
// in parallel see each other's lines.
func (c *Cluster) WriteLog(lines ...string) error {
	c.logging.Lock()
	defer c.logging.Unlock()
	var b strings.Builder
	for _, line := range lines {
		if strings.ContainsAny(line, "\r\n") {
			return errors.New("pod log: a line with a line break")
		}
		// The container runtime's format: time, stream, F for a full line, text.
		fmt.Fprintf(&b, "%s stdout F %s\n", time.Now().UTC().Format(time.RFC3339Nano), line)
	}
	f, err := os.OpenFile(c.podLog, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String())
	return errors.Join(err, f.Close())
}
