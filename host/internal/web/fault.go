// The page that a developer sees in the browser while the newest code does not run.

package web

import (
	"html"
	"io"
	"net/http"
	"strconv"
)

// showFault answers a browser that asks for a page with what is wrong with the newest code, if anything. The page asks
// again by itself, so that it gives way to the real one when the code is mended. Everything else is for the old code
// to answer.
func (v *visit) showFault() bool {
	if v.handler.options.Fault == nil || v.r.Method != http.MethodGet || v.r.ContentLength != 0 || !v.wantsHTML() {
		return false
	}
	if part := v.value("Sec-Fetch-Dest"); part != "" && part != "document" {
		return false // a script of a page asks, which would not know what to do with this one
	}
	fault := v.handler.options.Fault()
	if fault == "" {
		return false
	}
	page := `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="2">
<title>The newest code does not run</title>
<style>
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; background: #fff; color: #222 }
main { max-width: 60rem; margin: 4rem auto; padding: 0 1.5rem; border-top: .4rem solid #c22 }
pre { padding: 1rem; overflow-x: auto; background: #f4f4f4; white-space: pre-wrap; overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd } pre { background: #2a2a2a } }
</style>
<main>
<h1>The newest code does not run</h1>
<pre>` + html.EscapeString(fault) + `</pre>
<p>The code before it keeps serving everything but the pages of a browser. This page gives way to the real one as soon as the code is mended.</p>
</main>
`
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	v.parting()
	v.moreTime()
	v.w.WriteHeader(http.StatusInternalServerError)
	io.WriteString(v.w, page)
	return true
}
