// line.go: one line of an access log, or of a list of URLs.

package rehearse

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// parseLine finds the request of a line, whose Method is "" if there is none, and the status that it was answered
// with, or 0.
func parseLine(line string) (r Request, format string, status int) {
	switch {
	case line[0] == '{':
		r, status = parseJSON(line)
		return r, "JSON lines", status
	case strings.ContainsRune(line, '"'):
		r, status = parseQuoted(line)
		return r, "access log", status
	}
	return parseURL(line), "list of URLs", 0
}

// parseQuoted reads a line of the common or the combined format, of nginx, Apache or this host, whatever stands before
// the request and behind it: that is the first string in quotes that reads as one.
func parseQuoted(line string) (r Request, status int) {
	var host string
	if first, _, ok := strings.Cut(line, " "); ok && strings.Contains(first, ".") && !strings.Contains(first, "\"") {
		if name, port, ok := strings.Cut(first, ":"); ok && !strings.Contains(port, ":") && port != "" {
			host = name // Apache's vhost_combined: NAME:PORT
		}
	}
	for {
		_, rest, ok := strings.Cut(line, `"`)
		if !ok {
			return Request{}, 0
		}
		text, behind, ok := unquote(rest)
		if !ok {
			return Request{}, 0
		}
		line = behind
		words := strings.Split(text, " ")
		if len(words) != 3 || !isMethod(words[0]) || !strings.HasPrefix(words[2], "HTTP/") {
			continue
		}
		word, _, _ := strings.Cut(strings.TrimLeft(behind, " "), " ")
		status, _ = strconv.Atoi(word)
		r = Request{Method: words[0], Host: host}
		r.point(words[1])
		return r, status
	}
}

// unquote reads until the quote that is not escaped, and undoes what servers escape: \" \\ and \xNN.
func unquote(text string) (inside, behind string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], true
		case c == '\\' && i+3 < len(text) && text[i+1] == 'x':
			n, err := strconv.ParseUint(text[i+2:i+4], 16, 8)
			if err != nil {
				b.WriteByte(c)
				continue
			}
			b.WriteByte(byte(n))
			i += 3
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

func isMethod(word string) bool {
	return word != "" && len(word) <= 20 && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == ""
}

// point sets the target, and the host of one in absolute form.
func (r *Request) point(target string) {
	if strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://") {
		u, err := url.Parse(target)
		if err != nil || u.Host == "" {
			return
		}
		r.Host, target = u.Host, u.RequestURI()
	}
	if r.Target = target; strings.HasSuffix(target, "...") && len(target) > 2048 {
		r.Target = "" // which this host's log has cut
	}
}

// logged is what lines of JSON may have, whose names are those of this host, of Caddy (in request), of Traefik, and
// those that nginx's variables have.
type logged struct {
	Request json.RawMessage `json:"request"`

	Method        string `json:"method"`
	RequestMethod string `json:"request_method"`
	Traefik       string `json:"RequestMethod"`

	Host        string `json:"host"`
	HTTPHost    string `json:"http_host"`
	TraefikHost string `json:"RequestHost"`

	Target      string `json:"target"`
	URI         string `json:"uri"`
	RequestURI  string `json:"request_uri"`
	TraefikPath string `json:"RequestPath"`

	Status        json.RawMessage `json:"status"`
	TraefikStatus json.RawMessage `json:"DownstreamStatus"`
}

func parseJSON(line string) (r Request, status int) {
	var l logged
	if json.Unmarshal([]byte(line), &l) != nil {
		return r, 0
	}
	status, _ = strconv.Atoi(strings.Trim(first(string(l.Status), string(l.TraefikStatus)), `"`))
	var whole string // "GET / HTTP/1.1", as nginx's $request
	switch {
	case len(l.Request) > 0 && l.Request[0] == '{':
		inner := logged{}
		if json.Unmarshal(l.Request, &inner) != nil {
			return r, status
		}
		l = inner
	case json.Unmarshal(l.Request, &whole) == nil && whole != "":
		words := strings.Split(whole, " ")
		if len(words) != 3 {
			return r, status
		}
		l.Method, l.Target = words[0], words[1]
	}
	r.Host = first(l.Host, l.HTTPHost, l.TraefikHost)
	if r.Method = first(l.Method, l.RequestMethod, l.Traefik); !isMethod(r.Method) {
		return Request{}, status
	}
	r.point(first(l.Target, l.URI, l.RequestURI, l.TraefikPath))
	return r, status
}

// first is the first that is not empty.
func first(all ...string) string {
	for _, text := range all {
		if text != "" {
			return text
		}
	}
	return ""
}

// parseURL reads a line of a list: a URL or a path, and a method before it if that is not GET.
func parseURL(line string) (r Request) {
	r.Method = "GET"
	if method, rest, ok := strings.Cut(line, " "); ok && isMethod(method) {
		r.Method, line = method, strings.TrimSpace(rest)
	}
	if strings.HasPrefix(line, "/") || strings.Contains(line, "://") {
		r.point(line)
	}
	return r
}
