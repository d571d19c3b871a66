// The parameters of a request (RFC 3875 §4.1), as nginx and Caddy give them to PHP. REMOTE_USER and AUTH_TYPE are not
// among them: they say who the client has proved to be, and nobody has looked at its password.

package fastcgi

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

// errTooLong says that no record holds one of the parameters.
var errTooLong = errors.New("a parameter of the request is too long for FastCGI")

// appendParams appends the PARAMS of a request that a's script answers, with the end of the stream. The error is
// errTooLong.
func (s *site) appendParams(b []byte, r *http.Request, a answer, software string) (_ []byte, err error) {
	p := params{b: b, open: -1}
	add := func(name, value string) {
		if !p.add(name, value) {
			err = errTooLong
		}
	}
	_, query, _ := strings.Cut(r.RequestURI, "?")
	add("GATEWAY_INTERFACE", "CGI/1.1")
	add("SERVER_SOFTWARE", software)
	add("REDIRECT_STATUS", "200") // php-cgi takes no request without it
	add("DOCUMENT_ROOT", s.root)
	add("SCRIPT_FILENAME", s.file(a.script))
	add("SCRIPT_NAME", a.script)
	add("DOCUMENT_URI", a.script+a.info)
	if a.info != "" {
		add("PATH_INFO", a.info)
		add("PATH_TRANSLATED", s.file(a.info))
	}
	add("REQUEST_METHOD", r.Method)
	add("REQUEST_URI", r.RequestURI)
	add("QUERY_STRING", query)
	add("SERVER_PROTOCOL", r.Proto)
	add("CONTENT_TYPE", r.Header.Get("Content-Type"))
	length := ""
	if r.ContentLength > 0 {
		length = strconv.FormatInt(r.ContentLength, 10)
	}
	add("CONTENT_LENGTH", length)
	addConnection(add, r)
	if id := sdk.RequestID(r.Context()); id != "" {
		add("REQUEST_ID", id)
	}
	for name, values := range r.Header {
		if variable, ok := variableOf(name); ok {
			separator := ", "
			if variable == "HTTP_COOKIE" {
				separator = "; "
			}
			add(variable, strings.Join(values, separator))
		}
	}
	return p.end(), err
}

// addConnection adds who talks to whom.
func addConnection(add func(name, value string), r *http.Request) {
	scheme, port := "http", "80"
	if r.TLS != nil {
		scheme, port = "https", "443"
		add("HTTPS", "on")
		addClientCertificate(add, r.TLS)
	}
	name, given, err := net.SplitHostPort(r.Host)
	if err != nil {
		name, given = r.Host, ""
	}
	address := ""
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		address, port = local.IP.String(), strconv.Itoa(local.Port)
	} else if given != "" {
		port = given
	}
	client, clientPort, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client, clientPort = "unix:", "" // as nginx has it
	}
	add("REQUEST_SCHEME", scheme)
	add("SERVER_NAME", strings.Trim(name, "[]"))
	add("SERVER_ADDR", address)
	add("SERVER_PORT", port)
	add("REMOTE_ADDR", client)
	add("REMOTE_PORT", clientPort)
	add("HTTP_HOST", r.Host)
}

// addClientCertificate adds who the client is by its certificate, which the host has verified, by Apache's names.
func addClientCertificate(add func(name, value string), state *tls.ConnectionState) {
	if len(state.VerifiedChains) == 0 {
		return
	}
	c := state.VerifiedChains[0][0]
	add("SSL_CLIENT_VERIFY", "SUCCESS")
	add("SSL_CLIENT_S_DN", c.Subject.String())
	add("SSL_CLIENT_I_DN", c.Issuer.String())
	add("SSL_CLIENT_M_SERIAL", fmt.Sprintf("%X", c.SerialNumber))
	add("SSL_CLIENT_CERT", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
}

// variableOf is the parameter of a header field. Fields with other characters than letters, digits and hyphens have
// none: Evil_Header would pass for Evil-Header. Nor has Proxy, which would pass for the variable HTTP_PROXY.
func variableOf(name string) (variable string, ok bool) {
	switch name {
	case "Content-Type", "Content-Length", "Proxy", "Host":
		return "", false
	}
	b := make([]byte, 0, len("HTTP_")+len(name))
	b = append(b, "HTTP_"...)
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z':
			b = append(b, c-'a'+'A')
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			b = append(b, c)
		case c == '-':
			b = append(b, '_')
		default:
			return "", false
		}
	}
	return string(b), true
}
