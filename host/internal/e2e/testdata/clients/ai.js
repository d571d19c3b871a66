// A page of Chromium in examples/chat-ai-php. The test at the other end of stdin and stdout plays the model: it says a
// token when this says "token", reloads the host at "reload", and so on, and then writes a line.
// usage: node ai.js URL [FOLDER-FOR-SCREENSHOTS]

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [url, folder] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function tell(what) {
    console.log(what);
    assert.equal((await lines.next()).done, false, `nobody answered to ${what}`);
}

const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});
const context = await browser.newContext({ colorScheme: 'light', viewport: { width: 1000, height: 720 } });
context.setDefaultTimeout(60_000);
const page = await context.newPage();
const complaints = [];
page.on('pageerror', (error) => complaints.push(String(error)));
page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));

const turns = page.locator('#turns > li');
const last = turns.last();

async function ask(text) {
    await page.getByLabel('Question').fill(text);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Stop' }).waitFor();
}

// Waits until the last answer is over in this way, and shows this.
async function ends(state, { answer, note = '', facts = '' }) {
    await page.locator(`#turns > li:last-child[data-state="${state}"]`).waitFor();
    const text = (await last.locator('.answer').innerText()).trim();
    assert.ok(answer instanceof RegExp ? answer.test(text) : text === answer, text);
    assert.equal((await last.locator('.note').textContent()).trim(), note);
    assert.ok((await last.locator('.facts').textContent()).includes(facts), await last.locator('.facts').textContent());
    await page.getByRole('button', { name: 'Send' }).waitFor();
}

async function says(text) {
    await page.waitForFunction((text) => document.querySelector('#turns > li:last-child .answer').innerText.trim() === text, text);
}

async function loadAnew() {
    const before = await turns.evaluateAll((all) => all.map((turn) => turn.innerText));
    await page.reload();
    assert.deepEqual(await turns.evaluateAll((all) => all.map((turn) => turn.innerText)), before);
}

async function screenshots(view) {
    for (const [name, colorScheme, width, height] of [['light', 'light', 1000, 720], ['dark', 'dark', 1000, 720], ['phone', 'light', 360, 640], ['phone-dark', 'dark', 360, 640]]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height });
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
        if (folder !== undefined) {
            await page.screenshot({ path: `${folder}/${view}-${name}.png` });
        }
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wider <= 0, `at a width of ${width} the page is ${wider} too wide`);
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1000, height: 720 });
}

try {
    await page.goto(url);
    await page.getByRole('heading', { name: 'What would you like to know?' }).waitFor();
    await screenshots('welcome');

    // Token by token, through a reload in the midst.
    await ask('!echo One two **three** four <i>five</i> six');
    await tell('token');
    await says('One');
    await tell('token');
    await says('One two');
    await tell('reload');
    await tell('token');
    await says('One two three');
    assert.equal(await last.getAttribute('aria-busy'), 'true');
    await tell('rest');
    const answer = 'One two three four <i>five</i> six';
    await ends('whole', { answer, facts: '6 tokens · asked by generation 1, kept by generation 2' });
    assert.equal(await last.locator('strong').innerText(), 'three');
    await loadAnew();
    assert.equal(await turns.count(), 1);
    await page.getByText('generation 2', { exact: true }).waitFor();

    // The model knows what was said before.
    await ask('And a list? !echo - a\n- `b`');
    await tell('history');
    await ends('whole', { answer: 'a\nb', facts: 'generation 2' });
    assert.equal(await last.locator('ul > li').count(), 2);

    // What goes wrong has the application's words, or a mark.
    assert.deepEqual(complaints, []);
    for (const [question, note] of [
        ['!429', 'The model is asked for too much right now. Wait a minute, then ask again.'],
        ['!500', 'The model is out of order. Ask again in a while.'],
        ['!slow', 'The model does not answer at the moment. Ask again in a while.'],
    ]) {
        await ask(question);
        await ends('failed', { answer: '', note });
        await last.getByRole('button', { name: 'Ask again' }).waitFor();
    }
    await ask('!break !echo a b c d');
    await tell('break');
    await ends('partial', { answer: 'a b', note: 'The model broke off here.' });
    await ask('Let me stop you. !endless !echo Well, and so on'); // it takes some more tokens to see that nobody listens
    await tell('token');
    await says('Well,');
    await page.getByRole('button', { name: 'Stop' }).click();
    await tell('gone');
    await ends('partial', { answer: /^Well,/, note: 'You left before the end.' });
    await loadAnew();
    await ask('Who loads a page in the midst? !endless !echo I do,');
    await tell('token');
    await says('I');
    await page.reload();
    await tell('gone');
    await ends('partial', { answer: /^I/, note: 'You left before the end.' });
    // Chromium complains of each answer that failed, or broke off, and of nothing else.
    assert.deepEqual(complaints.filter((text) => !/^Failed to load resource: /.test(text)), []);
    assert.equal(complaints.length, 4);
    await screenshots('faults');

    // Starting over deletes it.
    await page.getByRole('button', { name: 'Start over' }).click();
    await page.getByRole('heading', { name: 'What is new?' }).waitFor();
    assert.equal(await turns.count(), 0);
    console.log('done');
} finally {
    await browser.close();
    process.stdin.destroy(); // or node would wait for more of it
}
