// receive.go takes the webhooks of others: that something was pushed, signed with a secret that both ends have.

package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	signatureHeader = "X-Hub-Signature-256"
	mostBody        = 25 << 20 // bytes, which is GitHub's limit
	atOnce          = 4        // bodies that are read
)

// Receiver answers webhooks as GitHub, Gitea and Forgejo send them. Of what a webhook says only the branch counts, and
// only whether it is the one.
type Receiver struct {
	Secret string
	Branch string
	Pushed func() // is called for each push to the branch, and must not wait

	reading chan struct{}
}

// Serve answers at an address until ctx ends. The error says why it can't, or what ended it before.
func (r *Receiver) Serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 40 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	r.reading = make(chan struct{}, atOnce)
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// ServeHTTP implements [http.Handler].
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	status, text := r.take(w, q)
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

func (r *Receiver) take(w http.ResponseWriter, q *http.Request) (status int, text string) {
	if q.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, "a webhook is a POST"
	}
	signature := q.Header.Get(signatureHeader)
	if signature == "" { // before anything is read
		return http.StatusForbidden, "there is no " + signatureHeader
	}
	if r.reading != nil {
		select {
		case r.reading <- struct{}{}:
			defer func() { <-r.reading }()
		default:
			return http.StatusServiceUnavailable, "too many at once"
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, mostBody))
	if err != nil {
		return http.StatusRequestEntityTooLarge, "it can't be read"
	}
	if !signed(r.Secret, body, signature) {
		return http.StatusForbidden, "the signature is not of this secret"
	}
	switch event := q.Header.Get("X-GitHub-Event"); event {
	case "push", "": // others leave that to whoever has set it up
	case "ping":
		return http.StatusOK, "pong"
	default:
		return http.StatusAccepted, "nothing is to be done for that"
	}
	var push struct {
		Ref     string `json:"ref"`
		Deleted bool   `json:"deleted"`
	}
	if err := json.Unmarshal(body, &push); err != nil {
		return http.StatusBadRequest, "it is no JSON: choose the content type application/json"
	}
	if push.Ref != "refs/heads/"+r.Branch || push.Deleted {
		return http.StatusAccepted, "it is not about the branch that is deployed"
	}
	r.Pushed()
	return http.StatusAccepted, "it is looked at"
}

// signed says whether a signature is that of the body. How long that takes says nothing of the secret.
func signed(secret string, body []byte, signature string) bool {
	given, isOurs := strings.CutPrefix(signature, "sha256=")
	sum, err := hex.DecodeString(given)
	if !isOurs || err != nil || secret == "" {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(sum, mac.Sum(nil))
}
