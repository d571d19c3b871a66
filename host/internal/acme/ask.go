// ask.go asks somebody whether there is to be a certificate for a name, and reads the answer.

package acme

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// AskTime is how long somebody may take to answer.
const AskTime = 10 * time.Second

// asker follows no redirect: a page to log in at would be a yes.
var asker = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// AskURL asks a URL about a name. nil is a yes. It may be called by many goroutines.
func AskURL(ctx context.Context, ask, name string) error {
	ctx, cancel := context.WithTimeout(ctx, AskTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, Question(ask, name), nil)
	if err != nil {
		return err
	}
	resp, err := asker.Do(r)
	if err != nil {
		return fmt.Errorf("nobody could be asked about %s: %w", name, err)
	}
	resp.Body.Close()
	return Verdict(name, resp.StatusCode)
}

// Question is a URL, or the path of one, with the name in its query.
func Question(ask, name string) string {
	separator := "?"
	if strings.Contains(ask, "?") {
		separator = "&"
	}
	return ask + separator + "domain=" + url.QueryEscape(name)
}

// Verdict is what the status of an answer says about a name. nil is a yes.
func Verdict(name string, status int) error {
	if status < 200 || status > 299 {
		return fmt.Errorf("no certificate for %s: whoever was asked says %d", name, status)
	}
	return nil
}
