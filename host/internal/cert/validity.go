// Package cert tells what there is to know of a listener's certificate.
package cert

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// Soon is how long before its end somebody should begin to wonder why a certificate was not renewed.
const Soon = 14 * 24 * time.Hour

// Validity is when clients accept the certificate, its chain included: from the latest beginning to the earliest end.
// It is zero if there is none that can be read.
func Validity(pair *tls.Certificate) (from, until time.Time) {
	for i, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil || i > 0 && bytes.Equal(c.RawIssuer, c.RawSubject) { // clients have roots of their own
			continue
		}
		if c.NotBefore.After(from) {
			from = c.NotBefore
		}
		if until.IsZero() || c.NotAfter.Before(until) {
			until = c.NotAfter
		}
	}
	return from, until
}

// Problem says what is wrong with the dates of a certificate, and what to do; "" if nothing is. soon says that it is
// still good, but not for long.
func Problem(pair *tls.Certificate, now time.Time) (problem string, soon bool) {
	const remedy = ": renew it, then `host reload`"
	switch from, until := Validity(pair); {
	case until.IsZero():
		return "", false
	case now.After(until):
		return fmt.Sprintf("expired on %s, and clients refuse it%s", until.Format(time.DateOnly), remedy), false
	case now.Before(from):
		return fmt.Sprintf("is not valid before %s, and clients refuse it until then: look at the clock of this "+
			"machine, or renew it", from.Format(time.DateTime)), false
	case until.Sub(now) < Soon:
		return fmt.Sprintf("expires on %s%s", until.Format(time.DateOnly), remedy), true
	}
	return "", false
}
