// Package standin plays a language model, for tests and for whoever has no key: it speaks the part of OpenAI's chat
// completions that streams, at a pace, and fails on demand. A question may hold one of these words:
//
//	!429       any status from 400 to 599, with an error as providers write it
//	!slow      nothing at all is said for Late
//	!break     the connection breaks in the midst of the answer
//	!endless   the answer begins anew, again and again
//	!echo ...  the answer is what follows, a token for each word
package standin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Model is an http.Handler that answers each POST. What it has is set before the first one, and it is safe for
// concurrent use.
type Model struct {
	Pace time.Duration // from one token to the next
	Late time.Duration // before a slow answer begins; 0 is for ever
	Key  string        // what has to come as "Authorization: Bearer KEY"; "" is whatever comes

	// Next lets go one token for each value, in place of Pace; nil has no part in it.
	Next <-chan struct{}
	// Asked, unless nil, is told of each question before it is answered, and Left of each client that left before it
	// had all; on the goroutine of that request.
	Asked func(Question)
	Left  func()
}

// Question is what a request asks for.
type Question struct {
	Authorization string    `json:"-"` // the header
	Model         string    `json:"model"`
	Messages      []Message `json:"messages"`
	Stream        bool      `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// Message is one of a conversation.
type Message struct {
	Role    string `json:"role"` // system, user or assistant
	Content string `json:"content"`
}

// maxQuestion bounds a request's body, in bytes.
const maxQuestion = 1 << 20

var (
	status = regexp.MustCompile(`!([45]\d\d)\b`)
	word   = regexp.MustCompile(`\s*\S+`)
)

// ServeHTTP answers one question. A broken answer panics with http.ErrAbortHandler, as net/http has it.
func (m *Model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := Question{Authorization: r.Header.Get("Authorization")}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxQuestion)).Decode(&q)
	io.Copy(io.Discard, r.Body)
	if m.Asked != nil {
		m.Asked(q)
	}
	last := ""
	if n := len(q.Messages); n > 0 {
		last = q.Messages[n-1].Content
	}
	w.Header().Set("Set-Cookie", "__cf_bm=stand-in; path=/; HttpOnly") // for their own site, and no client's
	w.Header().Set("Openai-Version", "stand-in")
	switch fault := status.FindStringSubmatch(last); {
	case m.Key != "" && q.Authorization != "Bearer "+m.Key:
		fail(w, http.StatusUnauthorized, "Incorrect API key provided")
	case err != nil || last == "" || !q.Stream:
		fail(w, http.StatusBadRequest, "Expected messages, and stream: true")
	case fault != nil:
		code, _ := strconv.Atoi(fault[1])
		fail(w, code, "As you asked for")
	case strings.Contains(last, "!slow") && !m.waits(r, m.Late, m.Late == 0):
	default:
		m.stream(w, r, &q, last)
	}
}

// fail answers with an error.
func fail(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": message, "code": code}})
}

// waits says whether the client is still there after so long.
func (m *Model) waits(r *http.Request, d time.Duration, forever bool) bool {
	var over <-chan time.Time
	if !forever {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-over:
		return true
	case <-r.Context().Done():
		if m.Left != nil {
			m.Left()
		}
		return false
	}
}

// mayGoOn waits for the time of the next token.
func (m *Model) mayGoOn(r *http.Request) bool {
	if m.Next == nil {
		return m.waits(r, m.Pace, false)
	}
	select {
	case <-m.Next:
		return true
	case <-r.Context().Done():
		if m.Left != nil {
			m.Left()
		}
		return false
	}
}

// stream says the answer, a token at a time.
func (m *Model) stream(w http.ResponseWriter, r *http.Request, q *Question, last string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	c := &chunks{w: w, head: fmt.Sprintf(`{"id":"chatcmpl-standin","object":"chat.completion.chunk",`+
		`"created":%d,"model":%s,`, time.Now().Unix(), quoted(q.Model))}
	c.choice(`{"role":"assistant","content":""}`, "null")
	tokens := word.FindAllString(answer(q.Messages, last), -1)
	endless := strings.Contains(last, "!endless") && len(tokens) > 0
	for i := 0; i < len(tokens) || endless; i++ {
		if strings.Contains(last, "!break") && i == (len(tokens)+1)/2 {
			panic(http.ErrAbortHandler)
		}
		token := tokens[i%len(tokens)]
		if i > 0 && i%len(tokens) == 0 {
			token = " " + token
		}
		if !m.mayGoOn(r) {
			return
		}
		c.choice(`{"content":`+quoted(token)+`}`, "null")
	}
	c.choice(`{}`, `"stop"`)
	if q.StreamOptions.IncludeUsage {
		asked := 0
		for _, message := range q.Messages {
			asked += len(word.FindAllString(message.Content, -1))
		}
		c.write(fmt.Sprintf(`"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`, asked,
			len(tokens), asked+len(tokens)))
	}
	io.WriteString(w, "data: [DONE]\n\n")
}

// chunks writes events that share their beginning, and flushes each.
type chunks struct {
	w    http.ResponseWriter
	head string
}

func (c *chunks) choice(delta, finish string) {
	c.write(`"choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + `}]}`)
}

func (c *chunks) write(rest string) {
	io.WriteString(c.w, "data: "+c.head+rest+"\n\n")
	http.NewResponseController(c.w).Flush()
}

func quoted(text string) string {
	b, _ := json.Marshal(text) // a string has no error
	return string(b)
}
