// Files that the host serves in the worker's stead.

package sdk

import (
	"net/http"
	"path/filepath"
)

// ServeFile answers with the file at path: the host opens it, if it lies under one of the pool's file_roots, and
// serves it with ranges and validators, while this worker is free again. What w's header holds goes along. Nothing may
// have been written yet. One that is not under them is a 502, as only the host knows them: such files, and those that
// no disk has, are [http.ServeFile]'s. Under another server than the host, or behind a ResponseWriter that can't be
// unwrapped, it is [http.ServeFile].
func ServeFile(w http.ResponseWriter, r *http.Request, path string) {
	own := unwrap(w)
	if own == nil {
		http.ServeFile(w, r, path)
		return
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		own.s.link.log("error", own.s.id, "ServeFile: "+err.Error())
		return
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	if own.over || own.headSent || own.written > 0 || own.fetch != nil {
		own.s.link.log("error", own.s.id, "ServeFile "+path+": the response has begun already")
		return
	}
	if own.status == 0 {
		own.fixHead(http.StatusOK)
	}
	own.file, own.known.sniff = absolute, false
}

// unwrap finds this package's writer the way http.ResponseController does.
func unwrap(w http.ResponseWriter) *response {
	for {
		switch t := w.(type) {
		case *response:
			return t
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}
