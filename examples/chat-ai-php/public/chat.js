// The page's end of the conversation. It shows what streams in, and in the end what the application has stored of it; it
// keeps nothing, so that the page loaded anew is the same.

import { render } from '/markdown.js';

const $ = (id) => document.getElementById(id);
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
let hangUp = null; // ends the answer that streams in

async function ask(text) {
    const id = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const turn = add(id, text);
    hangUp = new AbortController();
    busy(true);
    try {
        const response = await fetch(`/turns/${id}`, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify({ text }),
            signal: hangUp.signal,
        });
        if (response.status === 200) {
            await stream(response.body, turn);
        } else if ([400, 403, 409, 415].includes(response.status) && await refused(response, turn, text)) {
            return;
        }
    } catch {
        // It broke off, or was stopped. What is left of it is what the application says.
    } finally {
        busy(false);
    }
    await settle(turn);
}

// Each event has a piece of the answer, as OpenAI's chat completions have it.
async function stream(body, turn) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    let answer = '';
    let picture = 0; // that will show it, however much comes before
    const draw = () => {
        picture = 0;
        if (turn.dataset.state === 'open') {
            show(turn, { state: 'open', answer });
        }
    };
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
        const lines = (rest + next.value).split('\n');
        rest = lines.pop();
        for (const line of lines) {
            if (line.startsWith('data: {')) {
                answer += JSON.parse(line.slice(6)).choices?.[0]?.delta?.content ?? '';
            }
        }
        picture ||= requestAnimationFrame(draw);
    }
}

// The application did not take the question: that is no turn of the conversation. The model's own error with such a
// status is not JSON of ours.
async function refused(response, turn, text) {
    if (!response.headers.get('Content-Type').startsWith('application/json')) {
        return false;
    }
    $('problem').textContent = (await response.json()).error;
    turn.remove();
    $('text').value ||= text;
    fit();
    return true;
}

// Shows what is stored, which may come a moment after the end of the answer.
async function settle(turn) {
    busy(true);
    for (let tries = 0; turn.isConnected; tries++) {
        try {
            const response = await fetch(`/turns/${turn.dataset.id}`);
            const stored = await response.json();
            if (response.status === 404) {
                show(turn, { state: 'failed', answer: '', note: 'This question did not get through. Ask it again.' });
                break;
            }
            if (response.ok && stored.state !== 'open') {
                show(turn, stored);
                break;
            }
            $('problem').textContent = '';
        } catch {
            $('problem').textContent = 'The page can not reach its server. It tries again …';
        }
        await pause(Math.min(5, 0.05 * 2 ** tries));
    }
    busy(false);
}

function add(id, question) {
    const turn = $('turn').content.firstElementChild.cloneNode(true);
    turn.dataset.id = id;
    turn.querySelector('.question').append(question);
    $('turns').append(turn);
    $('welcome').hidden = true;
    $('forget').hidden = false;
    show(turn, { state: 'open', answer: '' });
    turn.scrollIntoView({ block: 'end' });
    return turn;
}

function show(turn, { state, answer, note = '', facts = '' }) {
    const atEnd = scrollY + innerHeight > document.documentElement.scrollHeight - 80;
    turn.dataset.state = state;
    turn.setAttribute('aria-busy', state === 'open'); // read out once it is whole, and not word by word
    turn.querySelector('.answer').replaceChildren(...render(answer));
    turn.querySelector('.note').textContent = note;
    turn.querySelector('.facts').textContent = facts;
    turn.querySelector('.again')?.remove();
    if (state === 'failed') {
        const again = document.createElement('button');
        again.className = 'again quiet';
        again.textContent = 'Ask again';
        again.onclick = () => submit(turn.querySelector('.question').lastChild.textContent);
        turn.append(again);
    }
    if (atEnd) { // whoever reads further up is left alone
        scrollTo(0, document.documentElement.scrollHeight);
    }
}

function busy(is) {
    document.body.classList.toggle('busy', is);
    $('send').hidden = is;
    $('stop').hidden = !is;
    for (const button of document.querySelectorAll('.again, #forget button')) {
        button.disabled = is;
    }
}

function submit(text) {
    if (text.trim() !== '' && !document.body.classList.contains('busy')) {
        $('problem').textContent = '';
        ask(text.trim());
    }
}

function fit() {
    $('text').style.height = 'auto';
    $('text').style.height = `${$('text').scrollHeight}px`;
}

$('ask').addEventListener('submit', (event) => {
    event.preventDefault();
    if (!document.body.classList.contains('busy')) {
        const text = $('text').value;
        $('text').value = '';
        fit();
        submit(text);
    }
});
$('text').addEventListener('input', fit);
$('text').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        $('ask').requestSubmit();
    }
});
$('stop').addEventListener('click', () => {
    hangUp?.abort();
    $('text').focus();
});
for (const idea of document.querySelectorAll('.idea')) {
    idea.addEventListener('click', () => {
        $('text').focus();
        submit(idea.textContent);
    });
}

// What the page came with is text until here. An answer that was under way when it was loaded is over by now, or soon.
for (const turn of document.querySelectorAll('#turns > li')) {
    show(turn, {
        state: turn.dataset.state,
        answer: turn.querySelector('.answer').textContent,
        note: turn.querySelector('.note').textContent,
        facts: turn.querySelector('.facts').textContent,
    });
    if (turn.dataset.state === 'open') {
        settle(turn);
    }
}
scrollTo(0, document.documentElement.scrollHeight);
