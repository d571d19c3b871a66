// har.go: HTTP archives, which browsers write (http://www.softwareishard.com/blog/har-12-spec/).

package rehearse

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

// repeated are the header fields of an archive's requests that are asked again. Cookies and passwords are not among
// them.
var repeated = []string{"accept", "accept-language", "content-type", "x-requested-with"}

type archive struct {
	Log *struct {
		Entries []struct {
			Request struct {
				Method   string `json:"method"`
				URL      string `json:"url"`
				Headers  []pair `json:"headers"`
				PostData *struct {
					MimeType string `json:"mimeType"`
					Text     string `json:"text"`
					Encoding string `json:"encoding"`
					Params   []pair `json:"params"`
				} `json:"postData"`
			} `json:"request"`
			Response struct {
				Status int `json:"status"`
			} `json:"response"`
		} `json:"entries"`
	} `json:"log"`
}

type pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// isHAR says whether a file that begins so is one: an object whose first member is "log" and an object, too.
func isHAR(start []byte) bool {
	start = bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, part := range []string{"{", `"log"`, ":", "{"} {
		rest, ok := bytes.CutPrefix(start, []byte(part))
		if !ok {
			return false
		}
		start = bytes.TrimLeft(rest, " \t\r\n")
	}
	return true
}

func (s *Source) readHAR(in io.Reader, methods []string) error {
	s.Format = "HAR"
	text, err := io.ReadAll(io.LimitReader(in, longestHAR+1))
	switch {
	case err != nil:
		return err
	case len(text) > longestHAR:
		return fmt.Errorf("a HAR file may have %d MiB at most", longestHAR>>20)
	}
	var a archive
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &a); err != nil {
		return fmt.Errorf("it begins as a HAR file, and is none: %w", err)
	}
	if a.Log == nil {
		return nil
	}
	for _, e := range a.Log.Entries {
		s.Entries++
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" {
			s.Left[LeftUnreadable]++ // data:, ws: and the like
			continue
		}
		if e.Response.Status == 101 {
			s.Left[LeftUpgrade]++
			continue
		}
		r := Request{Method: e.Request.Method, Host: u.Host, Target: u.RequestURI()}
		for _, h := range e.Request.Headers {
			if slices.Contains(repeated, strings.ToLower(h.Name)) && !strings.ContainsAny(h.Value, "\r\n\x00") {
				r.Headers = append(r.Headers, h.Name, h.Value)
			}
		}
		if p := e.Request.PostData; p != nil {
			switch {
			case p.Encoding == "base64":
				r.Body, _ = base64.StdEncoding.DecodeString(p.Text)
			case p.Text == "" && len(p.Params) > 0:
				form := url.Values{}
				for _, field := range p.Params {
					form.Add(field.Name, field.Value)
				}
				r.Body = []byte(form.Encode())
			default:
				r.Body = []byte(p.Text)
			}
			if len(r.Body) > longestBody {
				s.Left[LeftUnreadable]++
				continue
			}
		}
		s.add(r, methods)
	}
	return nil
}
