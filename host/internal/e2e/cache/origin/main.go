// Command origin is a worker that answers with what the server at $ORIGIN does: the origin of http-cache-tests behind
// a pool. What breaks off there breaks off here.
package main

import (
	"log"
	"net/http/httputil"
	"net/url"
	"os"

	sdk "github.com/workerhost/workerhost/sdk-go"
)

func main() {
	to, err := url.Parse(os.Getenv("ORIGIN"))
	if err != nil {
		log.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	if err := sdk.Serve(proxy); err != nil {
		log.Fatal(err)
	}
}
