package config

import "testing"

func TestPagesForErrorsAreRead(t *testing.T) {
	checkMistakes(t, []mistake{
		{good + "[http]\nerror_pages = { 200 = 'app/worker.php', 5x = 'x', 404 = 'none.html' }",
			"host.toml:4: [http] error_pages.200: expected a status from 400 to 599, or 4xx or 5xx for all that " +
				"begin so, found \"200\"\nhost.toml:4: [http] error_pages.404: can't read the page: there is no " +
				"SITE/none.html: mend the path\nhost.toml:4: [http] error_pages.5x: expected a status " +
				"from 400 to 599, or 4xx or 5xx for all that begin so, found \"5x\""},
	})
}
