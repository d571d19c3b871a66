package redact

import "testing"

func TestSecretsAreTakenOutOfText(t *testing.T) {
	for text, want := range map[string]string{
		"release 42": "release 42",
		"GET /login?token=abc&page=2 answered 500":      "GET /login?token=REDACTED&page=2 answered 500",
		"--password='two words' next":                   "--password=REDACTED next",
		"mysql://app:pa55@db/x is down":                 "mysql://app:REDACTED@db/x is down",
		"https://example.org:8080/a@b":                  "https://example.org:8080/a@b",
		"Authorization: Bearer abc.def\nnext line":      "Authorization: REDACTED\nnext line",
		"X-Worker-Generation: candidate:abc":            "X-Worker-Generation: REDACTED",
		"\"Set-Cookie\": sid=1; path=/":                 "\"Set-Cookie\": REDACTED",
		"ACCESS_TOKEN=abc":                              "ACCESS_TOKEN=REDACTED",
		"token=abc, more":                               "token=REDACTED, more",
		"GET /?token=abc, then (/b?sid=1);":             "GET /?token=REDACTED, then (/b?sid=REDACTED);",
		"/?token=a,b)c, more":                           "/?token=REDACTED, more",
		"GET /login?user[password]=x&a=1 was slow":      "GET /login?user[password]=REDACTED&a=1 was slow",
		"target=\"/x?user%5Bp%61ssword%5D=y#top\" took": "target=\"/x?user%5Bp%61ssword%5D=REDACTED#top\" took",
		"keyboard=qwerty monkey=1 exit code=3":          "keyboard=qwerty monkey=1 exit code=3",
		"https://hooks.example.org/x?a=1&signature=ab":  "https://hooks.example.org/x?a=1&signature=REDACTED",
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

func TestSecretsOfAQueryAreTakenOut(t *testing.T) {
	for query, want := range map[string]string{
		"":                       "",
		"a=1&b=2":                "a=1&b=2",
		"token=x":                "token=REDACTED",
		"a=1&Access_Token=x&b=2": "a=1&Access_Token=REDACTED&b=2",
		"password=&b":            "password=REDACTED&b",
		"password":               "password",
		"login[password]=x":      "login[password]=REDACTED",
		"login%5Bpassword%5D=x":  "login%5Bpassword%5D=REDACTED",
		"pass%77ord=x&sid=y":     "pass%77ord=REDACTED&sid=REDACTED",
		"key=a=b;jwt=c":          "key=REDACTED;jwt=REDACTED",
		"monkey=1&keys=2":        "monkey=1&keys=2",
		"code=1&code=2":          "code=REDACTED&code=REDACTED",
		"%zz=1&%=2":              "%zz=1&%=2",
	} {
		if got := Query(query); got != want {
			t.Errorf("%q: %q", query, got)
		}
	}
}

func TestSecretsOfATargetAreTakenOut(t *testing.T) {
	for url, want := range map[string]string{
		"/":                       "/",
		"/token=x":                "/token=x",
		"/a?b=c":                  "/a?b=c",
		"/reset?token=x&page=2":   "/reset?token=REDACTED&page=2",
		"https://a.test/?code=1":  "https://a.test/?code=REDACTED",
		"/a?token=REDACTED&sid=1": "/a?token=REDACTED&sid=REDACTED",
	} {
		if got := URL(url); got != want {
			t.Errorf("%q: %q", url, got)
		}
	}
}

func TestMoreNamesCanBeSecret(t *testing.T) {
	defer Also(nil)
	Also([]string{"X-Api-Key", "pin"})
	for text, want := range map[string]string{
		"x-api-key: abc":         "x-api-key: REDACTED",
		"GET /?PIN=1234&token=x": "GET /?PIN=REDACTED&token=REDACTED",
		"spin=1":                 "spin=1",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q became %q, and not %q", text, got, want)
		}
	}
	if got := URL("/?card[pin]=1"); got != "/?card[pin]=REDACTED" {
		t.Errorf("%q", got)
	}
	if Also(nil); Text("pin=1") != "pin=1" {
		t.Error("what a later call does not name is masked")
	}
}
