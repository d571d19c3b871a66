package machine

import "testing"

func TestThePressureIsThatOfTheLastTenSeconds(t *testing.T) {
	const some = "some avg10=98.44 avg60=12.13 avg300=1.10 total=19118550780\n"
	const full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
	for _, text := range []string{some + full, full + some} {
		if got, known := pressureIn(text); got != 98.44 || !known {
			t.Errorf("%v, %v in %s", got, known, text)
		}
	}
	for _, text := range []string{"", full, "some avg10=x"} {
		if got, known := pressureIn(text); known {
			t.Errorf("%v in %q", got, text)
		}
	}
}
