package storefront

import (
	"fmt"
	"net/http"
	"time"
)

// prometheus answers GET /metrics in the text format of Prometheus, version 0.0.4.
func (s *Shop) prometheus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	type line struct {
		labels string
		value  int64
	}
	type family struct {
		name, kind, help string
		of               func(v *service) []line
	}
	label := func(v *service, more string) string { return fmt.Sprintf(`{service=%q%s}`, v.name, more) }
	now := s.now()
	for _, f := range []family{
		{"shop_requests_total", "counter", "Requests that the service answered, by outcome.", func(v *service) []line {
			total, failed, passed := v.total.Load(), v.failed.Load(), v.passedOn.Load()
			return []line{
				{label(v, `,outcome="ok"`), max(total-failed-passed, 0)}, {label(v, `,outcome="error"`), failed}, {label(v, `,outcome="upstream_error"`), passed},
			}
		}},
		{"shop_error_permille", "gauge", "Recent requests that the service itself failed, in permille.", func(v *service) []line {
			return []line{{label(v, ""), int64(v.window.rates(now).ErrorPermille)}}
		}},
		{"shop_latency_median_milliseconds", "gauge", "Recent median time to an answer.", func(v *service) []line {
			return []line{{label(v, ""), int64(v.window.rates(now).Median / time.Millisecond)}}
		}},
		{"shop_replicas_ready", "gauge", "Replicas that are ready.", func(v *service) []line { return []line{{label(v, ""), int64(v.ready())}} }},
		{"shop_release_info", "gauge", "The service's release.", func(v *service) []line {
			return []line{{label(v, fmt.Sprintf(`,release=%q`, v.current())), 1}}
		}},
	} {
		_, _ = fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		for _, v := range s.all() {
			for _, l := range f.of(v) {
				_, _ = fmt.Fprintf(w, "%s%s %d\n", f.name, l.labels, l.value)
			}
		}
	}
}
