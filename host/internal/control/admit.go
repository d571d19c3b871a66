// admit.go decides who may ask the host for what: at the socket root, the host's own user and the members of the
// socket's group, over TCP whoever has a token.

package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// Right is what a token may be good for.
type Right string

// The rights. Each stands for itself: none includes another.
const (
	MayStatus      Right = "status"      // GET /v1/status, version, releases, tasks, maintenance, cache
	MayReload      Right = "reload"      // POST /v1/reload, /v1/try, /v1/rollback, /v1/abort and /v1/promote
	MayStop        Right = "stop"        // POST /v1/stop
	MayConnections Right = "connections" // GET /v1/connections, POST /v1/send and /v1/close
	MayCache       Right = "cache"       // POST /v1/cache/purge
	MayUpgrade     Right = "upgrade"     // POST /v1/upgrade; a token has it only if it names it
	MayProfile     Right = "profile"     // POST /v1/profile; likewise: profiles show the code
	MayRun         Right = "run"         // POST /v1/cron/run and /v1/service/restart; likewise: they start programs
	MayFaults      Right = "faults"      // GET /v1/faults and what is below; likewise: they show what clients sent
	MayReplay      Right = "replay"      // POST /v1/replay; likewise: it starts a program
	MayTasks       Right = "tasks"       // GET and POST below /v1/tasks; likewise: they show what clients sent
	MayMaintenance Right = "maintenance" // POST /v1/maintenance/on and /off; likewise: it takes sites down
)

// Token lets whoever has its secret steer the host over TCP.
type Token struct {
	Name   string // in the log
	Secret string
	Rights []Right // nil: all of those above, but those that have to be named

	cluster bool // it stands for a host of the cluster, of that name
}

// notImplied are the rights that a token has only if it names them.
var notImplied = []Right{MayUpgrade, MayProfile, MayRun, MayFaults, MayReplay, MayTasks,
	MayMaintenance}

func (t *Token) may(right Right) bool {
	return t.Rights == nil && !slices.Contains(notImplied, right) || slices.Contains(t.Rights, right)
}

// peer is the process at the other end of a unix socket.
type peer struct {
	uid, pid int
	groups   []int
	known    bool // false where the system can't tell
}

// peerKey is where a connection's context has the *peer of it, or why it can't be known.
type peerKey struct{}

// notePeer looks at a connection to the socket, once.
func notePeer(ctx context.Context, c net.Conn) context.Context {
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	p, err := peerOf(socket)
	if err != nil {
		return context.WithValue(ctx, peerKey{}, fmt.Errorf("the host can't find out who asks: %w", err))
	}
	return context.WithValue(ctx, peerKey{}, &p)
}

// check says why the peer may not steer this host. Where the system can't tell who it is, the socket's mode has to do.
func (p *peer) check(group *int) error {
	own := os.Geteuid()
	switch {
	case !p.known || p.uid == 0 || p.uid == own || group != nil && slices.Contains(p.groups, *group):
		return nil
	case group != nil:
		return fmt.Errorf("user %d may not steer a host of user %d and group %d: run the command as that user, as "+
			"a member of the group, or as root", p.uid, own, *group)
	}
	return fmt.Errorf("user %d may not steer a host of user %d: run the command as that user, or as root, or let "+
		"a group in with [control] group", p.uid, own)
}

// askerOf names whoever sent r.
func askerOf(r *http.Request) (a Asker) {
	if p, ok := r.Context().Value(peerKey{}).(*peer); ok && p.known {
		a.User, a.PID = userName(p.uid), p.pid
		if login := loginOf(p.pid); login >= 0 && login != p.uid {
			a.Login = userName(login)
		}
	}
	if token, remote := r.Context().Value(tokenKey{}).(*Token); remote {
		a.Address = r.RemoteAddr
		if token != nil {
			a.Token = token.Name
		}
	}
	return a
}

func userName(uid int) string {
	number := strconv.Itoa(uid)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}

// forPeers answers those at the socket who may ask; group is the socket's.
func (s *Server) forPeers(group *int, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		switch p := r.Context().Value(peerKey{}).(type) {
		case error:
			err = p
		case *peer:
			err = p.check(group)
		}
		if err != nil {
			s.turnAway(w, r, http.StatusForbidden, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// tokenKey is where the context of a request over TCP has its *Token; nil if it has none that is known.
type tokenKey struct{}

// forTokens answers those who have one of the tokens. How long that takes says nothing of them.
func (s *Server) forTokens(tokens []Token, next http.Handler) http.Handler {
	sums := make([][sha256.Size]byte, len(tokens))
	for i := range tokens {
		sums[i] = sha256.Sum256([]byte(tokens[i].Secret))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		sum := sha256.Sum256([]byte(given))
		var token *Token
		for i := range sums {
			if subtle.ConstantTimeCompare(sum[:], sums[i][:]) == 1 && strings.EqualFold(scheme, "Bearer") {
				token = &tokens[i]
			}
		}
		r = r.WithContext(context.WithValue(r.Context(), tokenKey{}, token))
		if token == nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			s.turnAway(w, r, http.StatusUnauthorized, errors.New("the token is missing or wrong: name the file "+
				"that holds the host's with --token-file FILE"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// needs lets only those to do whose token, if they came with one, has the right.
func (s *Server) needs(right Right, do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if token, ok := r.Context().Value(tokenKey{}).(*Token); ok && !token.may(right) {
			err := fmt.Errorf("the token %s has not the right %q: give another one with --token-file FILE, or add "+
				"the right to [control.tokens.%[1]s]", token.Name, right)
			if token.cluster {
				err = fmt.Errorf("hosts of the cluster have not the right %q here: add it to [cluster] rights "+
					"of this "+
					"host", right)
			}
			s.audit(r, asked(r), err)
			refuse(w, http.StatusForbidden, err)
			return
		}
		if station := r.Header.Get(hostHeader); station != "" {
			s.elsewhere(w, r, right, station)
			return
		}
		do(w, r)
	}
}

// owns says whether r comes from root or the host's user, if it came by the socket.
func owns(r *http.Request) bool {
	p, ok := r.Context().Value(peerKey{}).(*peer)
	return !ok || p.known && p.check(nil) == nil
}

// atHand says whether r comes by the socket, from root or the host's user, and answers it if not: a deploy names what
// is to run.
func (s *Server) atHand(w http.ResponseWriter, r *http.Request, act string) bool {
	if _, remote := r.Context().Value(tokenKey{}).(*Token); !remote && owns(r) {
		return true
	}
	err := fmt.Errorf("only root and the host's own user %d may deploy, and only by the socket", os.Geteuid())
	s.audit(r, act, err)
	refuse(w, http.StatusForbidden, err)
	return false
}

// ownersOnly lets of those at the socket only root and the host's user do what changes the program that runs, or shows
// its insides, whatever group may use the socket.
func (s *Server) ownersOnly(do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !owns(r) {
			err := fmt.Errorf("only root and the host's own user %d may do this, whoever may use the socket",
				os.Geteuid())
			s.audit(r, asked(r), err)
			refuse(w, http.StatusForbidden, err)
			return
		}
		do(w, r)
	}
}
