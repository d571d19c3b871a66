// Passwords of HTTP's basic authentication (RFC 7617). A hash that is slow to check protects who has the same password
// elsewhere; so that it costs neither the host nor a client much, few are checked at once, and a good one is
// remembered.

package guard

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Passwords know users by the bcrypt hashes of their passwords. Their methods are safe for concurrent use.
type Passwords struct {
	users map[string]string
	// slowest is a hash that takes as long to check as any: that of an unknown user's password, so that nobody learns
	// from the time who is known.
	slowest string
	key     [32]byte // of what is remembered; no other process has it

	mu   sync.Mutex
	good map[[sha256.Size]byte]time.Time // until when; guarded by mu
}

const (
	// rememberedFor is how long a good password is not checked again.
	rememberedFor = time.Minute
	// mostRemembered bounds what is remembered, of users that are as many as the file has.
	mostRemembered = 10_000
	// mostWaiting is how many checks may wait for their turn: beyond it they are turned away.
	mostWaiting = 1024
	// mostOfOne is how many of them may be from one address: nobody can keep all others from their passwords.
	mostOfOne = 16
)

// checks are the places of those that compute hashes, which leave processors for all else, and waiting counts those
// that want one.
var (
	checks    = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))
	waiting   atomic.Int64
	byAddress = NewPerAddress()
)

// NewPasswords knows users by name, each with a hash in bcrypt's own format.
func NewPasswords(users map[string]string) *Passwords {
	p := &Passwords{users: users, good: map[[sha256.Size]byte]time.Time{}}
	most := 0
	for _, hash := range users {
		if cost, err := bcrypt.Cost([]byte(hash)); err == nil && cost > most {
			p.slowest, most = hash, cost
		}
	}
	rand.Read(p.key[:])
	return p
}

// Remembers says whether the password was found good a short while ago. It takes no time.
func (p *Passwords) Remembers(user, password string) bool {
	tag := p.tag(user, password)
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.good[tag]
	return ok && time.Now().Before(until)
}

// Check says whether it is the user's password, and waits for its turn if many are checked. busy says that too many
// wait already, in all or from the client's address.
func (p *Passwords) Check(user, password, client string) (good, busy bool) {
	who, ok := byAddress.Enter(client, mostOfOne)
	if !ok {
		return false, true
	}
	defer byAddress.Leave(who)
	if waiting.Add(1) > mostWaiting {
		waiting.Add(-1)
		return false, true
	}
	checks <- struct{}{}
	waiting.Add(-1)
	defer func() { <-checks }()
	if p.Remembers(user, password) { // whoever was before in the queue has asked the same
		return true, false
	}
	hash, known := p.users[user]
	if !known {
		hash = p.slowest
	}
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)); err != nil || !known {
		return false, false
	}
	p.remember(p.tag(user, password))
	return true, false
}

func (p *Passwords) remember(tag [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if len(p.good) >= mostRemembered {
		clear(p.good)
	}
	p.good[tag] = now.Add(rememberedFor)
}

// tag is what is kept of a password.
func (p *Passwords) tag(user, password string) (tag [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write([]byte(user))
	mac.Write([]byte{0})
	mac.Write([]byte(password))
	mac.Sum(tag[:0])
	return tag
}
