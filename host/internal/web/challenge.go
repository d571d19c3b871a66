// Challenges: what authorities ask before they give a certificate for a name.

package web

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// challengePath is where they ask (RFC 8555 §8.3).
const challengePath = "/.well-known/acme-challenge/"

// challenged says whether the request may be one of them.
func (v *visit) challenged() bool {
	return v.terms.Challenge != nil && v.r.Method == http.MethodGet && strings.HasPrefix(v.r.RequestURI, challengePath)
}

// answerChallenge says whether it was one, which has its answer now.
func (v *visit) answerChallenge() bool {
	text, ok := v.terms.Challenge(v.r.Context(), v.r.Host, v.r.RequestURI)
	if !ok {
		return false
	}
	h := v.w.Header()
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["Content-Length"] = []string{strconv.Itoa(len(text))}
	v.parting()
	v.moreTime()
	v.w.WriteHeader(http.StatusOK)
	io.WriteString(v.w, text) // an error means that the client has gone
	return true
}
