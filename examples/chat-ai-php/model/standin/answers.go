// answers.go is all that the stand-in knows.

package standin

import (
	"fmt"
	"strings"
)

// answer is what the model has to say to a conversation that ends with this question.
func answer(messages []Message, last string) string {
	if _, text, is := strings.Cut(last, "!echo "); is {
		return text
	}
	var asked []string
	for _, m := range messages {
		if m.Role == "user" {
			asked = append(asked, m.Content)
		}
	}
	if n := len(asked); n%3 == 2 {
		return fmt.Sprintf(memory, n, shortened(asked[n-2]))
	} else if n%3 == 0 {
		return faults
	}
	return waiting
}

// shortened fits into a sentence.
func shortened(text string) string {
	words := strings.Fields(text)
	if len(words) > 12 {
		words = append(words[:12], "…")
	}
	return strings.Join(words, " ")
}

const waiting = "**No PHP process waits for me.** Your question came to a worker, which looked at who asks, added " +
	"what was said before, and was done. The host holds this stream now, and passes on each word as I say it.\n\n" +
	"While I talk, in another terminal:\n\n" +
	"1. `host status` shows that the workers of `chat` have nothing to do.\n" +
	"2. `host reload` puts new code live, and I talk on.\n" +
	"3. Even without a single worker I would: they are needed when I begin and when I am done.\n\n" +
	"Once I have said all, a worker gets it as a whole, and stores it:\n\n" +
	"```php\n$worker->onFetched(function (Fetched $f): void {\n" +
	"    // id, status, how it ended, and what was kept\n});\n```\n\n" +
	"I am a stand-in, by the way, with three answers by heart. The README says how a real model takes my place."

const memory = "This is question **%d** of our conversation. The one before was: “%s”\n\n" +
	"Not that I remember it. A model has no memory: the application keeps the conversation in SQLite, and sends it " +
	"along with each question. Your browser keeps nothing but a cookie that says whose conversation it is. So\n\n" +
	"- nobody can put words into my mouth by sending a made-up history,\n" +
	"- the key of the API is seen by neither the browser nor PHP,\n" +
	"- after you have loaded the page anew, all of this is still here."

const faults = "Things go wrong with models. Here is how it looks, if you write one of these words:\n\n" +
	"- `!break`: I break off in the midst. What I had said is kept, and marked.\n" +
	"- `!slow`: I say nothing for a long time, and the application tells you so in its own words.\n" +
	"- `!429`: I am asked for too much.\n" +
	"- `!500`: I am broken.\n\n" +
	"Or press *Stop* while I talk: the host hangs up on me, so that nobody pays for words that nobody reads."
