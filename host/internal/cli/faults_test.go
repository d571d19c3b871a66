package cli

import (
	"strings"
	"testing"
)

// A place that is cut off is what a person would have looked for.
func TestThePlaceOfAFaultIsNeverCutOff(t *testing.T) {
	const place = "/srv/shop/releases/2/src/Checkout/Basket.php:81"
	for message, want := range map[string]string{
		"TypeError: no in " + place: "TypeError: no in " + place,
		"LogicException: " + strings.Repeat("long ", 9) + "in " + place: "LogicException: long long long long long " +
			"long long long long\n      in " + place,
		strings.Repeat("x", 90): strings.Repeat("x", 69) + "…\n      in " + place,
	} {
		if got := withPlace(message, place, 70); got != want {
			t.Errorf("%q, and not %q", got, want)
		}
	}
	if got := withPlace(strings.Repeat("x", 90), "", 70); len([]rune(got)) != 70 {
		t.Errorf("without a place %q", got)
	}
}
