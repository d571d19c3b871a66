// header.go: how code that can't return a RESPONSE of its own asks for a fetch (SPEC.md §15.4): a header of a response
// says what, and the body of the response is the request's.

package fetch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// Header is the field of a response that asks for a fetch. It reaches no client.
const Header = "X-Worker-Fetch"

// ofContent are fields that frameworks set for the body of a response, which is none here.
var ofContent = map[string]bool{"Content-Type": true, "Content-Encoding": true, "Content-Language": true,
	"Content-Disposition": true, "Content-Range": true, "Accept-Ranges": true, "Etag": true, "Last-Modified": true,
	"Cache-Control": true, "Expires": true, "Pragma": true, "Date": true, "Age": true}

// asked is what the header holds, in JSON.
type asked struct {
	URL     string                     `json:"url"`
	Method  string                     `json:"method"`
	Headers map[string]json.RawMessage `json:"headers"` // a value, or a list of them
	Pass    []string                   `json:"pass"`    // nil: all, and the status
	Context any                        `json:"context"`
	Keep    int64                      `json:"keep"`
	Timeout float64                    `json:"timeout"` // seconds
}

// byHeader is what the header of a response asks for, and the response's own headers; nil: nothing.
func byHeader(m *protocol.Response) (f *protocol.Fetch, own []string, err error) {
	text, found := "", 0
	for i := 0; i+1 < len(m.Headers); i += 2 {
		if strings.EqualFold(m.Headers[i], Header) {
			text = m.Headers[i+1]
			found++
		}
	}
	switch {
	case found == 0:
		return nil, nil, nil
	case found > 1:
		return nil, nil, errors.New(Header + " is there more than once")
	}
	if f, err = readHeader(text); err != nil {
		return nil, nil, fmt.Errorf("%s is not understood: %w", Header, err)
	}
	all := false
	for _, name := range f.Pass {
		all = all || name == protocol.PassAll
	}
	for i := 0; i+1 < len(m.Headers); i += 2 {
		name := http.CanonicalHeaderKey(m.Headers[i])
		gives := all && ofContent[name] && !(name == "Cache-Control" && isPrivate(m.Headers[i+1]))
		if name != Header && name != "Content-Length" && !gives {
			own = append(own, m.Headers[i], m.Headers[i+1])
		}
	}
	return f, own, nil
}

// isPrivate says whether a Cache-Control has no shared cache keep a response, as that of a canary does.
func isPrivate(control string) bool {
	for part := range strings.SplitSeq(control, ",") {
		if strings.EqualFold(strings.TrimSpace(part), "private") {
			return true
		}
	}
	return false
}

// askedFor is what a response of a generation with these terms asks for, in whatever way; empty, if it is not
// understood; nil: nothing.
func askedFor(m *protocol.Response, terms *Terms) *protocol.Fetch {
	if m.Fetch != nil || terms == nil || !terms.Header {
		return m.Fetch
	}
	f, _, err := byHeader(m)
	if err != nil {
		f = &protocol.Fetch{}
	}
	return f
}

func readHeader(text string) (*protocol.Fetch, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	d.DisallowUnknownFields()
	var a asked
	if err := d.Decode(&a); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("there is more behind the JSON object")
	}
	if a.Keep < 0 || a.Timeout < 0 || a.Timeout > 1e9 {
		return nil, errors.New("keep and timeout are 0 or more")
	}
	f := &protocol.Fetch{URL: a.URL, Method: strings.ToUpper(a.Method), Pass: a.Pass, Keep: a.Keep,
		Timeout: int64(a.Timeout * 1000)}
	if f.Method == "" {
		f.Method = "GET"
	}
	if a.Pass == nil {
		f.Pass = []string{protocol.PassAll, protocol.PassStatus}
	}
	for name, raw := range a.Headers {
		values, err := valuesOf(raw)
		if err != nil {
			return nil, fmt.Errorf("headers, %q: %w", name, err)
		}
		for _, value := range values {
			f.Headers = append(f.Headers, name, value)
		}
	}
	if a.Context != nil {
		var err error
		if f.Context, err = protocol.NewValue(numbers(a.Context)); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// valuesOf reads "a", or ["a", "b"].
func valuesOf(raw json.RawMessage) (values []string, err error) {
	if raw = bytes.TrimSpace(raw); len(raw) > 0 && raw[0] == '[' {
		err = json.Unmarshal(raw, &values)
		return values, err
	}
	values = make([]string, 1)
	return values, json.Unmarshal(raw, &values[0])
}

// numbers makes whole numbers of those that are.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}
