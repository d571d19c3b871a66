package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestThePublishedExampleOfASignatureIsTaken(t *testing.T) {
	// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
	if !signed("It's a Secret to Everybody", []byte("Hello, World!"),
		"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17") {
		t.Error("it is refused")
	}
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func TestOnlyASignedPushToTheBranchCounts(t *testing.T) {
	const secret, push = "0123456789abcdef", `{"ref":"refs/heads/main"}`
	const other, tag = `{"ref":"refs/heads/x"}`, `{"ref":"refs/tags/main"}`
	large := strings.Repeat(" ", mostBody+1)
	for name, ask := range map[string]struct {
		method, event, body, signature string
		status                         int
		counts                         bool
	}{
		"a push":            {"POST", "push", push, sign(secret, push), 202, true},
		"of another forge":  {"POST", "", push, sign(secret, push), 202, true},
		"a ping":            {"POST", "ping", "{}", sign(secret, "{}"), 200, false},
		"another event":     {"POST", "star", push, sign(secret, push), 202, false},
		"another branch":    {"POST", "push", other, sign(secret, other), 202, false},
		"a tag of the name": {"POST", "push", tag, sign(secret, tag), 202, false},
		"a form":            {"POST", "push", "payload=1", sign(secret, "payload=1"), 400, false},
		"another secret":    {"POST", "push", push, sign("x", push), 403, false},
		"another body":      {"POST", "push", push + " ", sign(secret, push), 403, false},
		"no signature":      {"POST", "push", push, "", 403, false},
		"half a signature":  {"POST", "push", push, sign(secret, push)[:40], 403, false},
		"the old kind":      {"POST", "push", push, strings.Replace(sign(secret, push), "256", "1", 1), 403, false},
		"a GET":             {"GET", "push", "", sign(secret, ""), 405, false},
		"too much": {"POST", "push", large, sign(secret, large), 413,
			false},
	} {
		counted := 0
		r := &Receiver{Secret: secret, Branch: "main", Pushed: func() { counted++ }}
		q := httptest.NewRequest(ask.method, "/", strings.NewReader(ask.body))
		q.Header.Set("X-Hub-Signature-256", ask.signature)
		q.Header.Set("X-GitHub-Event", ask.event)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		if w.Code != ask.status || counted != map[bool]int{true: 1}[ask.counts] {
			t.Errorf("%s: %d %s, and it counts %d times", name, w.Code, w.Body, counted)
		}
	}
	r := &Receiver{Branch: "main", Pushed: func() { t.Error("without a secret all count") }}
	q := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(push))
	q.Header.Set("X-Hub-Signature-256", sign("", push))
	r.ServeHTTP(httptest.NewRecorder(), q)
}
