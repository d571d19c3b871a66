package redact

import "testing"

func TestSecretsAreTakenOutOfText(t *testing.T) {
	for text, want := range map[string]string{
		"release 42": "release 42",
		"GET /login?token=abc&page=2 answered 500":     "GET /login?token=***&page=2 answered 500",
		"--password='two words' next":                  "--password=*** next",
		"mysql://app:pa55@db/x is down":                "mysql://app:***@db/x is down",
		"https://example.org:8080/a@b":                 "https://example.org:8080/a@b",
		"Authorization: Bearer abc.def\nnext line":     "Authorization: ***\nnext line",
		"\"Set-Cookie\": sid=1; path=/":                "\"Set-Cookie\": ***",
		"ACCESS_TOKEN=abc":                             "ACCESS_TOKEN=***",
		"keyboard=qwerty monkey=1 exit code=3":         "keyboard=qwerty monkey=1 exit code=3",
		"https://hooks.example.org/x?a=1&signature=ab": "https://hooks.example.org/x?a=1&signature=***",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q became %q, and not %q", text, got, want)
		}
		if once := Text(text); Text(once) != once {
			t.Errorf("%q changes again: %q", once, Text(once))
		}
	}
}

func FuzzWhatIsMaskedStaysMasked(f *testing.F) {
	f.Add("https://u:p@h/?token=x Cookie: a=b")
	f.Fuzz(func(t *testing.T, text string) {
		if once := Text(text); Text(once) != once {
			t.Errorf("%q, then %q", once, Text(once))
		}
	})
}
