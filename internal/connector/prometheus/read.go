package prometheus

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/redact"
)

// Bounds of one reading.
const (
	maxAnswer = 4 << 20          // bytes of an answer: 200 series of 250 points
	maxSeries = 200              // that are shown and counted into the facts: a person reads no more
	maxPoints = 240              // of a range: one a minute for four hours
	queryTime = 10 * time.Second // in the server, and of the exchange
)

// A series is one line of an answer (Prometheus HTTP API, "Expression query result formats").
type series struct {
	Metric map[string]string    `json:"metric"`
	Value  [2]json.RawMessage   `json:"value"`  // of a vector
	Values [][2]json.RawMessage `json:"values"` // of a matrix
}

// A shown is one series of a reading.
type shown struct {
	Labels map[string]string `json:"labels"`
	Points [][2]string       `json:"points"` // time, value
}

func (x *Connector) read(ctx context.Context, ask Query, q connector.Query) (connector.Reading, error) {
	now := x.now()
	form := url.Values{"query": {ask.PromQL}, "timeout": {"10s"}}
	path := "/api/v1/query"
	if minutes, ok := q.With["minutes"].Int64(); ok {
		path = "/api/v1/query_range"
		span := time.Duration(minutes) * time.Minute
		form.Set("start", stamp(now.Add(-span)))
		form.Set("end", stamp(now))
		form.Set("step", strconv.FormatInt(max(15, int64(span/time.Second)/maxPoints+1), 10))
	} else {
		form.Set("time", stamp(now))
	}
	body, err := x.ask(ctx, path, form)
	if err != nil {
		return connector.Reading{}, err
	}
	all, err := parse(body)
	if err != nil {
		return connector.Reading{}, err
	}
	out := connector.Reading{Source: "POST " + x.base.EscapedPath() + path + " " + string(ask.Name), At: now, Writable: true}
	if len(all) > maxSeries {
		all, out.Truncated = all[:maxSeries], true
	}
	out.Facts = facts(all)
	return out, fill(&out, all, max(q.Limit, 0))
}

func stamp(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// ask makes one exchange. Errors name neither the query nor the token.
func (x *Connector) ask(ctx context.Context, path string, form url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.base.String()+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("%w: the query's request", writ.ErrInvalid)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if x.token != "" {
		req.Header.Set("Authorization", "Bearer "+x.token)
	}
	res, err := x.http.Do(req)
	if err != nil {
		return nil, writ.Refuse(writ.ReasonUnreachable, fmt.Sprintf("%s does not answer", x.target))
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, writ.Refuse(writ.ReasonUnreachable, fmt.Sprintf("the answer of %s broke off", x.target))
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return nil, writ.Refuse(writ.ReasonForbidden, fmt.Sprintf("%s refused the reader: %d", x.target, res.StatusCode))
	case res.StatusCode != http.StatusOK:
		return nil, writ.Refuse(writ.ReasonUnreachable, fmt.Sprintf("%s answered %d", x.target, res.StatusCode))
	case len(body) > maxAnswer:
		return nil, writ.Refuse(writ.ReasonTooLarge, fmt.Sprintf("the answer has more than %d bytes; the query should aggregate", maxAnswer))
	}
	return body, nil
}

// parse reads an answer. A scalar is one series without labels; anything but numbers is refused.
func parse(body []byte) ([]shown, error) {
	bad := func(what string) ([]shown, error) {
		return nil, writ.Refuse(writ.ReasonUnreachable, "the answer is not of Prometheus' form: "+what)
	}
	var a struct {
		Status string `json:"status"`
		Data   struct {
			ResultType string          `json:"resultType"`
			Result     json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &a); err != nil || a.Status != "success" {
		return bad("it is no success")
	}
	var list []series
	switch a.Data.ResultType {
	case "vector", "matrix":
		if err := json.Unmarshal(a.Data.Result, &list); err != nil {
			return bad("series")
		}
	case "scalar":
		var one series
		if err := json.Unmarshal(a.Data.Result, &one.Value); err != nil {
			return bad("scalar")
		}
		list = []series{one}
	default:
		return bad("type of result")
	}
	out := make([]shown, 0, len(list))
	for _, s := range list {
		points := s.Values
		if a.Data.ResultType != "matrix" {
			points = [][2]json.RawMessage{s.Value}
		}
		line := shown{Labels: s.Metric, Points: [][2]string{}}
		if line.Labels == nil {
			line.Labels = map[string]string{}
		}
		for _, p := range points {
			var at float64
			var v string
			if json.Unmarshal(p[0], &at) != nil || json.Unmarshal(p[1], &v) != nil {
				return bad("a point")
			}
			if _, err := strconv.ParseFloat(v, 64); err != nil {
				return bad("a value")
			}
			line.Points = append(line.Points, [2]string{time.UnixMilli(int64(at * 1000)).UTC().Format(time.RFC3339), v})
		}
		out = append(out, line)
	}
	slices.SortFunc(out, func(a, b shown) int { return strings.Compare(key(a), key(b)) })
	return out, nil
}

// key orders series, so that the same answer has the same bytes.
func key(s shown) string {
	b, _ := json.Marshal(s.Labels) // a map of texts has a form
	return string(b)
}

// facts are computed from numbers alone. What is no finite number leaves its facts out, and then no condition on them
// holds.
func facts(all []shown) writ.Observation {
	o := writ.Observation{"series": writ.Int(int64(len(all)))}
	low, high, n, whole := int64(math.MaxInt64), int64(math.MinInt64), 0, true
	for _, s := range all {
		for _, p := range s.Points {
			m, ok := milli(p[1])
			whole = whole && ok
			low, high, n = min(low, m), max(high, m), n+1
		}
	}
	if n == 0 || !whole {
		return o
	}
	o["min_milli"], o["max_milli"] = writ.Int(low), writ.Int(high)
	if len(all) == 1 {
		m, _ := milli(all[0].Points[len(all[0].Points)-1][1])
		o["value_milli"] = writ.Int(m)
	}
	return o
}

func milli(s string) (int64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	f = math.Round(f * 1000)
	if err != nil || math.IsNaN(f) || math.Abs(f) > canon.MaxInt {
		return 0, false
	}
	return int64(f), true
}

// fill renders one series a line, redacted, in whole lines until the limit.
func fill(r *connector.Reading, all []shown, limit int) error {
	var b bytes.Buffer
	for _, s := range all {
		labels := map[string]any{}
		for k, v := range s.Labels {
			labels[k] = v
		}
		clean, n := redact.Value(labels)
		var line bytes.Buffer
		e := json.NewEncoder(&line)
		e.SetEscapeHTML(false)
		if err := e.Encode(map[string]any{"labels": clean, "points": s.Points}); err != nil {
			return fmt.Errorf("%w: reading: %v", writ.ErrInvalid, err)
		}
		if b.Len()+line.Len() > limit {
			r.Truncated = true
			break
		}
		r.Redacted += n
		b.Write(line.Bytes())
	}
	r.Bytes = b.Bytes()
	return nil
}
