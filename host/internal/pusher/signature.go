// Signatures: what shows that the application has allowed a subscription, a user or a request.

package pusher

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// signatureOf signs a text.
func (s *Settings) signatureOf(text string) string {
	sum := hmac.New(sha256.New, []byte(s.Secret))
	sum.Write([]byte(text))
	return hex.EncodeToString(sum.Sum(nil))
}

// signs says whether auth, which is "KEY:SIGNATURE", is the app's for a text.
func (s *Settings) signs(auth, text string) bool {
	key, signature, ok := strings.Cut(auth, ":")
	return ok && key == s.Key && hmac.Equal([]byte(signature), []byte(s.signatureOf(text)))
}

// lifetime is how far the clock of who signs a request may be off.
const lifetime = 600 * time.Second

// allows says what is wrong with the signature of a request of the HTTP API; "" if nothing is. path begins with
// /apps/, also where a route has taken something off before it: Pusher's libraries sign it like that.
func (s *Settings) allows(method, path string, query url.Values, body []byte, now time.Time) string {
	for name, values := range query {
		if len(values) > 1 {
			return fmt.Sprintf("the parameter %.100q is there %d times", name, len(values))
		}
	}
	switch {
	case query.Get("auth_key") != s.Key:
		return "auth_key is not the app's"
	case query.Get("auth_version") != "1.0":
		return "auth_version has to be 1.0"
	}
	at, err := strconv.ParseInt(query.Get("auth_timestamp"), 10, 64)
	if off := now.Sub(time.Unix(at, 0)).Abs(); err != nil || off > lifetime {
		return "auth_timestamp has to be within 600 seconds of the server's time, which is " +
			strconv.FormatInt(now.Unix(), 10)
	}
	if sum := md5.Sum(body); len(body) > 0 && query.Get("body_md5") != hex.EncodeToString(sum[:]) {
		return "body_md5 is not that of the body"
	}
	if !hmac.Equal([]byte(query.Get("auth_signature")), []byte(s.signatureOf(toSign(method, path, query)))) {
		return "auth_signature is not that of the app's secret for this request, whose path is " + path
	}
	return ""
}

// toSign is what a request's signature is of.
func toSign(method, path string, query url.Values) string {
	pairs := make([]string, 0, len(query))
	for name, values := range query {
		if name = strings.ToLower(name); name != "auth_signature" {
			pairs = append(pairs, name+"="+values[0])
		}
	}
	slices.Sort(pairs)
	return method + "\n" + path + "\n" + strings.Join(pairs, "&")
}
