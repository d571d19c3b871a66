package tasks

import (
	"strings"
	"testing"
)

func TestMessagesOfSymfonyAreRunByAPoolOfTheHost(t *testing.T) {
	t.Parallel()
	h, dir := application(t, "symfony", "Symfony/Component/Messenger")
	asks(h, dir, "plain delayed chained dies", "handled:plain", "event:async", "handled:delayed", "handled:chained",
		"handled:last", "handled:dies")
	if status, body := h.Get("/report"); status != 500 {
		t.Errorf("%d %s", status, body)
	}
	asks(h, dir, "", "handled:report", "event:reports")
	never(h, dir, "left:")
}

func TestAMessageOfSymfonyThatThrowsIsRetriedAndEndsFailedWithItsTrace(t *testing.T) {
	t.Parallel()
	h, dir := application(t, "symfony", "Symfony/Component/Messenger")
	asks(h, dir, "throws unrecoverable", "failed:throws:again", "failed:throws:at last", "handled:after-throws",
		"failed:unrecoverable:at last", "handled:after-unrecoverable")
	never(h, dir, "undone", "failed:unrecoverable:again")
	var failed string
	h.Eventually("both of the failed messages", func() bool {
		failed, _ = h.Run("tasks", "failed", "emails")
		return strings.Contains(failed, "RuntimeException: throws ") && strings.Contains(failed, "UnrecoverableMess")
	})
	for line := range strings.Lines(failed) {
		if id := strings.Fields(line); strings.Contains(line, " of emails, ") {
			if out, _ := h.Run("tasks", "show", id[0]); !strings.Contains(out, "messages.php") ||
				!strings.Contains(out, "#0 ") {
				t.Error(out)
			}
		}
	}
}

func TestAPayloadThatIsNotSignedWithTheSecretOfSymfonyIsNotRun(t *testing.T) {
	t.Parallel()
	h, dir := application(t, "symfony", "Symfony/Component/Messenger")
	asks(h, dir, "forged", "handled:forged-right")
	for _, id := range []string{"unsigned", "otherkey", "otherqueue", "otherid"} {
		h.Eventually(id+" failed", func() bool {
			out, code := h.Run("tasks", "show", id)
			return code == 0 && strings.Contains(out, "1 attempt") && strings.Contains(out, "so it is not run")
		})
	}
	never(h, dir, "forged-unsigned", "forged-other")
}

func TestLocksOfSymfonyAreThoseOfTheHost(t *testing.T) {
	t.Parallel()
	h, _ := application(t, "symfony", "Symfony/Component/Lock")
	if status, body := h.Get("/lock"); status != 200 ||
		body != `[true,false,true,false,true,false,true,false,true,false,"lost"]` {
		t.Errorf("%d %.3000s", status, body)
	}
}
