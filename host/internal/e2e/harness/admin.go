// What the admin listener says.

package harness

import (
	"io"
	"net/http"
)

// Asked gets a page of the admin listener; its status is 0 while nobody answers.
func Asked(admin, path string) (int, string) {
	r, err := http.Get("http://" + admin + path)
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(b)
}
