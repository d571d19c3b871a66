// place.go: which client goes where. It is drawn by lot, and the same whenever it is asked: the lot is a keyed hash of
// who the client is, so that no table is kept of those who came.

package canary

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"strings"
	"time"

	"github.com/workerhost/workerhost/protocol"
)

// Arm is one of the three that may serve a client.
type Arm int

// The arms. Most clients are Stable.
const (
	Stable Arm = iota
	Control
	Candidate
)

var armNames = [...]string{"stable", "control", "candidate"}

// String names the arm as the header that forces one does.
func (a Arm) String() string { return armNames[a] }

const (
	// CookieName is the cookie that a client is known again by.
	CookieName = "workerhost_canary"
	// ForceName is the header, and the cookie, that forces an arm: "candidate:SECRET".
	ForceName   = "X-Worker-Generation"
	forceCookie = "worker_generation"
)

const (
	idSize  = 12
	macSize = 9
)

// placed is where an exchange goes, and who its client is.
type placed struct {
	arm    Arm
	client string // "" is no witness: it has chosen its arm
	cookie string // to be set, whole; "" for none
}

// place finds the client of a request.
func (t *Trial) place(r *protocol.Request) placed {
	if arm, ok := t.forced(r); ok {
		return placed{arm: arm}
	}
	key, fresh := t.client(r)
	if key == "" { // without a memory each request is a client
		id := make([]byte, idSize)
		rand.Read(id)
		key = string(id)
	}
	p := placed{arm: t.lot(key), client: key}
	if fresh {
		p.cookie = t.cookie(key, r.Scheme == "https")
	}
	return p
}

// client is what a request's client is known again by; "" is that it is not, and fresh that it is to be from now on.
func (t *Trial) client(r *protocol.Request) (key string, fresh bool) {
	switch name, isHeader := strings.CutPrefix(t.settings.By, "header:"); {
	case isHeader:
		key = header(r, name)
	case t.settings.By == "address":
		if key = r.Remote; key != "" {
			if host, _, err := net.SplitHostPort(key); err == nil {
				key = host
			}
		}
	case t.settings.By == "request":
	default:
		key = t.known(r)
		fresh = key == ""
	}
	return key, fresh
}

// lot draws the client's arm. With a greater share nobody leaves the candidate or the control; some come to them.
func (t *Trial) lot(key string) Arm {
	mac := hmac.New(sha256.New, t.key[:])
	mac.Write([]byte("lot:" + key))
	at := float64(binary.BigEndian.Uint64(mac.Sum(nil))>>11) / (1 << 53)
	share := math.Float64frombits(t.share.Load())
	switch {
	case at < share:
		return Candidate
	case at >= 1-share:
		return Control
	}
	return Stable
}

func (t *Trial) sign(id string) string {
	mac := hmac.New(sha256.New, t.key[:])
	mac.Write([]byte("id:" + id))
	return string(mac.Sum(nil)[:macSize])
}

// cookie is the header's value that has a client known again.
func (t *Trial) cookie(id string, secure bool) string {
	rest := ""
	if secure {
		rest = "; Secure"
	}
	return fmt.Sprintf("%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s", CookieName,
		base64.RawURLEncoding.EncodeToString([]byte(id+t.sign(id))), int(t.settings.Memory/time.Second)+1, rest)
}

// known is the id in the cookie; "" if there is none of this trial's.
func (t *Trial) known(r *protocol.Request) string {
	text := cookie(r, CookieName)
	if text == "" {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != idSize+macSize {
		return ""
	}
	id := string(raw[:idSize])
	if !hmac.Equal([]byte(t.sign(id)), raw[idSize:]) {
		return ""
	}
	return id
}

// forced is the arm that a client with the secret asks for.
func (t *Trial) forced(r *protocol.Request) (Arm, bool) {
	if t.settings.Secret == "" {
		return Stable, false
	}
	text := header(r, ForceName)
	if text == "" {
		text = cookie(r, forceCookie)
	}
	name, secret, ok := strings.Cut(text, ":")
	if !ok || subtle.ConstantTimeCompare([]byte(strings.TrimSpace(secret)), []byte(t.settings.Secret)) != 1 {
		return Stable, false
	}
	for arm, known := range armNames {
		if name == known {
			return Arm(arm), true
		}
	}
	return Stable, false
}

// header is the first value of a header.
func header(r *protocol.Request, name string) string {
	for i := 0; i+1 < len(r.Headers); i += 2 {
		if strings.EqualFold(r.Headers[i], name) {
			return r.Headers[i+1]
		}
	}
	return ""
}

// cookie is the value of a cookie.
func cookie(r *protocol.Request, name string) string {
	for i := 0; i+1 < len(r.Headers); i += 2 {
		if !strings.EqualFold(r.Headers[i], "Cookie") {
			continue
		}
		for pair := range strings.SplitSeq(r.Headers[i+1], ";") {
			if key, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && key == name {
				return value
			}
		}
	}
	return ""
}
