package cert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2030, 6, 15, 12, 0, 0, 0, time.UTC)

// chain makes certificates that begin and end so many days from now: the first one is the leaf, and each is signed by
// the next, the last by itself.
func chain(t *testing.T, days ...[2]int) *tls.Certificate {
	t.Helper()
	pair := &tls.Certificate{}
	var issuer *x509.Certificate
	var issuerKey *ecdsa.PrivateKey
	for i := len(days) - 1; i >= 0; i-- {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i) + 1), Subject: pkix.Name{CommonName: string(rune('a' + i))}, IsCA: i > 0,
			BasicConstraintsValid: true,
			NotBefore:             now.AddDate(0, 0, days[i][0]), NotAfter: now.AddDate(0, 0, days[i][1]),
		}
		if issuer == nil {
			issuer, issuerKey = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, issuer, &key.PublicKey, issuerKey)
		if err != nil {
			t.Fatal(err)
		}
		pair.Certificate = append([][]byte{der}, pair.Certificate...)
		issuer, issuerKey = c, key
	}
	return pair
}

func TestDatesThatClientsRefuseAreAProblem(t *testing.T) {
	for name, c := range map[string]struct {
		days    [][2]int
		problem string // how it begins
		soon    bool
	}{
		"good":               {[][2]int{{-10, 80}}, "", false},
		"good for two weeks": {[][2]int{{-10, 14}}, "", false},
		"good for less":      {[][2]int{{-10, 13}}, "expires on 2030-06-28", true},
		"expired":            {[][2]int{{-90, -1}}, "expired on 2030-06-14, and clients refuse it", false},
		"to come": {[][2]int{{1, 90}},
			"is not valid before 2030-06-16 12:00:00, and clients refuse it until then", false},
		"an expired intermediate":  {[][2]int{{-10, 80}, {-900, -2}, {-900, 900}}, "expired on 2030-06-13", false},
		"an intermediate to come":  {[][2]int{{-10, 80}, {3, 900}, {-900, 900}}, "is not valid before", false},
		"a root that nobody needs": {[][2]int{{-10, 80}, {-900, -2}}, "", false},
	} {
		problem, soon := Problem(chain(t, c.days...), now)
		if !strings.HasPrefix(problem, c.problem) || c.problem == "" && problem != "" || soon != c.soon {
			t.Errorf("%s: %q, soon %v", name, problem, soon)
		}
	}
	if problem, _ := Problem(&tls.Certificate{}, now); problem != "" {
		t.Errorf("none: %q", problem)
	}
}
