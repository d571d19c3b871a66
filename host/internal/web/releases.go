// The public folders of several releases: pages of one that clients still have name files that another has no more, or
// not yet. Where there is only one, nothing of this costs anything.

package web

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/workerhost/workerhost/protocol"
)

// Releases are the folders that stand for one public folder.
type Releases struct {
	Live      string   // of the release that serves; "", or one that is not there, is [Terms.Public]
	Others    []string // where what is absent there is looked for next; those that are not there don't count
	Candidate string   // of new code that is tried, whose clients find its files first; "" is none
	// Tries says whether a request's client is one of them. It is called with Headers and Remote alone.
	Tries func(r *protocol.Request) bool
}

// openPublic opens the public folder of terms that have one, with what stands for it.
func openPublic(t *Terms) (*folder, error) {
	var of Releases
	if t.Releases != nil {
		of = t.Releases()
	}
	live := of.Live
	if live == "" {
		live = t.Public
	}
	f, err := openFolder(live)
	if errors.Is(err, fs.ErrNotExist) && live != t.Public {
		live = t.Public
		f, err = openFolder(live)
	}
	if err != nil {
		return nil, err
	}
	f.next = openThose(append(slices.Clone(of.Others), of.Candidate), live)
	for in := f.next; in != nil; in = in.next { // what nobody but tried clients asks for is for no shared cache
		in.private = in.path == of.Candidate
	}
	if of.Candidate != "" && of.Candidate != live {
		if f.tried, err = openFolder(of.Candidate); err == nil {
			f.tried.next = openThose(append([]string{live}, of.Others...), of.Candidate)
			f.tries, f.tried.private = of.Tries, true
		}
	}
	return f, nil
}

// openThose opens folders that are there, each one once, and none of seen.
func openThose(names []string, seen ...string) *folder {
	for i, name := range names {
		if name == "" || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		if f, err := openFolder(name); err == nil {
			f.next = openThose(names[i+1:], seen...)
			return f
		}
	}
	return nil
}

// folderOf is the folder in which the visit's file is looked for first, and to be closed; nil is none.
func (v *visit) folderOf() *folder {
	f := v.terms.folder()
	if f == nil || f.tried == nil {
		return f
	}
	r := &protocol.Request{Remote: v.r.RemoteAddr}
	for name, values := range v.header() {
		for _, value := range values {
			r.Headers = append(r.Headers, name, value)
		}
	}
	if !f.tries(r) || !f.tried.retain() {
		return f
	}
	f.close()
	return f.tried
}

// keepPrivate has no shared cache keep a file of new code that is tried: others would have it by the same name.
func (v *visit) keepPrivate(in *folder) {
	if !in.private {
		return
	}
	kept := []string{"private"}
	for _, line := range v.w.Header()["Cache-Control"] {
		for part := range strings.SplitSeq(line, ",") {
			part = strings.TrimSpace(part)
			name, _, _ := strings.Cut(strings.ToLower(part), "=")
			if part != "" && name != "public" && name != "private" && name != "s-maxage" {
				kept = append(kept, part)
			}
		}
	}
	v.w.Header()["Cache-Control"] = []string{strings.Join(kept, ", ")}
}
