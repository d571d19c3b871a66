// admit.go decides who may steer the host: at the socket root and the host's own user, over TCP whoever has the token.

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
	"strings"
)

// refusalKey is where a connection's context has why it is not served.
type refusalKey struct{}

// admitPeer looks at a connection to the socket, once.
func admitPeer(ctx context.Context, c net.Conn) context.Context {
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	if err := checkPeer(peerUser(socket)); err != nil {
		return context.WithValue(ctx, refusalKey{}, err)
	}
	return ctx
}

func checkPeer(uid int, known bool, err error) error {
	switch own := os.Geteuid(); {
	case err != nil:
		return fmt.Errorf("the host can't find out who asks: %w", err)
	case known && uid != 0 && uid != own:
		return fmt.Errorf("user %d may not steer a host of user %d: run the command as that user, or as root", uid, own)
	}
	return nil
}

// forPeers answers those whom admitPeer let in.
func forPeers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err, refused := r.Context().Value(refusalKey{}).(error); refused {
			refuse(w, http.StatusForbidden, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// forToken answers those who have the token. How long that takes says nothing of it.
func forToken(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(given))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, errors.New("the token is missing or wrong: name the file that holds the host's with --token-file FILE"))
			return
		}
		next.ServeHTTP(w, r)
	})
}
