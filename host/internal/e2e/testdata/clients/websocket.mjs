// What the ws package makes of a host: node websocket.mjs PLAIN SMALL TLS, the addresses of listeners that serve talk.php; SMALL takes messages of 1000 bytes.
// It prints a line for each check, and exits with 1 if one failed.
import { randomBytes } from 'node:crypto';
import assert from 'node:assert/strict';
import WebSocket from 'ws';

const [plain, small, tls] = process.argv.slice(2);
const base = `ws://${plain}`;

/** An open WebSocket whose messages can be awaited one by one. */
async function open(url, protocols = [], options = {}) {
  const ws = new WebSocket(url, protocols, { perMessageDeflate: false, ...options });
  const waiting = [], come = [];
  const give = (item) => (waiting.length ? waiting.shift()(item) : come.push(item));
  ws.on('message', (data, binary) => give({ data, binary }));
  ws.closed = new Promise((resolve) => ws.on('close', (code, reason) => { resolve({ code, reason: reason.toString() }); give({ closed: code }); }));
  ws.next = () => (come.length ? Promise.resolve(come.shift()) : new Promise((resolve) => waiting.push(resolve)));
  ws.hear = async (want, binary = false) => {
    const got = await ws.next();
    assert.equal(got.closed, undefined, 'it was closed');
    assert.equal(got.binary, binary);
    if (Buffer.isBuffer(want)) assert.ok(want.equals(got.data), `${got.data.length} bytes instead of ${want.length}`);
    else assert.equal(got.data.toString(), want);
  };
  await new Promise((resolve, reject) => { ws.on('open', resolve); ws.on('error', reject); });
  ws.removeAllListeners('error');
  ws.on('error', () => {});
  return ws;
}

/** The answer of a host that refuses. */
function refused(url, protocols, options) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url, protocols, options);
    ws.on('error', () => {});
    ws.on('open', () => reject(new Error('it was accepted')));
    ws.on('unexpected-response', (request, response) => {
      let text = '';
      response.on('data', (d) => { text += d; });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
  });
}

/** What the host closes with after bytes that no client of good manners writes. */
async function breach(bytes) {
  const ws = await open(`${base}/echo`);
  ws._socket.write(bytes);
  return (await ws.closed).code;
}

/** A frame with the mask 0, so that its payload stays as it is. */
function raw(first, payload, { mask = 0x80 } = {}) {
  const body = Buffer.from(payload);
  const head = body.length < 126 ? [first, mask | body.length] : [first, mask | 126, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from(head), mask ? Buffer.alloc(4) : Buffer.alloc(0), body]);
}

const checks = {
  async 'text and bytes come back as they were'() {
    const ws = await open(`${base}/echo`);
    for (const text of ['', 'x', 'grüße 🎈 \u0000 end']) { ws.send(text); await ws.hear(text); }
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    ws.send(bytes); await ws.hear(bytes, true);
    ws.close(); await ws.closed;
  },
  async 'messages of every length of a length'() {
    const ws = await open(`${base}/echo`);
    for (const n of [124, 125, 126, 127, 65534, 65535, 65536, 65537, 1 << 20]) {
      const bytes = randomBytes(n);
      ws.send(bytes); await ws.hear(bytes, true);
    }
    ws.close(); await ws.closed;
  },
  async 'a message of 16 MiB'() {
    const ws = await open(`${base}/echo`);
    const bytes = randomBytes(16 << 20);
    ws.send(bytes); await ws.hear(bytes, true);
    ws.close(); await ws.closed;
  },
  async 'a thousand messages at once stay in order'() {
    const ws = await open(`${base}/echo`);
    for (let i = 0; i < 1000; i++) ws.send(`message ${i}`);
    for (let i = 0; i < 1000; i++) await ws.hear(`message ${i}`);
    ws.close(); await ws.closed;
  },
  async 'fragments with pings between them'() {
    const ws = await open(`${base}/echo`);
    const pongs = [];
    ws.on('pong', (data) => pongs.push(data.toString()));
    ws.send('one, ', { fin: false }); ws.ping('a');
    ws.send('zwö', { fin: false }); ws.ping('b');
    ws.send('', { fin: false }); ws.ping();
    ws.send(', three', { fin: true });
    await ws.hear('one, zwö, three');
    ws.send('end'); await ws.hear('end');
    assert.deepEqual(pongs, ['a', 'b', '']);
    ws.close(); await ws.closed;
  },
  async 'a character split between fragments'() {
    const ws = await open(`${base}/echo`);
    const text = Buffer.from('🎈');
    ws.send(text.subarray(0, 1), { fin: false, binary: false }); ws.send(text.subarray(1, 3), { fin: false }); ws.send(text.subarray(3), { fin: true });
    await ws.hear('🎈');
    ws.close(); await ws.closed;
  },
  async 'close codes of the client come back'() {
    for (const [code, reason] of [[1000, ''], [1000, 'done'], [1001, ''], [3000, 'später'], [4999, 'x'.repeat(123)]]) {
      const ws = await open(`${base}/`);
      ws.close(code, reason);
      assert.equal((await ws.closed).code, code);
    }
    const ws = await open(`${base}/`);
    ws.close();
    assert.equal((await ws.closed).code, 1005);
  },
  async 'close codes of the worker come'() {
    for (const [code, reason] of [[1000, 'done'], [1001, ''], [1008, 'not here'], [3000, 'später'], [4999, '']]) {
      const ws = await open(`${base}/`);
      ws.send(`close ${code} ${reason}`);
      assert.deepEqual(await ws.closed, { code, reason });
    }
  },
  async 'bytes that are no UTF-8 in a text message'() {
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0xaf]]) {
      const ws = await open(`${base}/echo`);
      ws.send(Buffer.from(bytes), { binary: false });
      assert.equal((await ws.closed).code, 1007);
    }
    assert.equal(await breach(raw(0x88, [0x03, 0xe8, 0xff])), 1007);
  },
  async 'a message that is too large'() {
    let ws = await open(`ws://${small}/echo`);
    ws.send('x'.repeat(1000)); await ws.hear('x'.repeat(1000));
    ws.send('x'.repeat(1001));
    assert.equal((await ws.closed).code, 1009);
    ws = await open(`ws://${small}/echo`);
    for (let i = 0; i < 11; i++) ws.send('x'.repeat(100), { fin: false }); // it never ends
    assert.equal((await ws.closed).code, 1009);
  },
  async 'compressed messages, and one that is a bomb'() {
    const ws = await open(`${base}/echo`, [], { perMessageDeflate: { threshold: 0 } });
    assert.match(ws.extensions, /permessage-deflate/);
    for (const text of ['', 'x', 'to be or not to be '.repeat(5000)]) { ws.send(text); await ws.hear(text); }
    const bytes = randomBytes(300_000);
    ws.send(bytes); await ws.hear(bytes, true);
    ws.send('frag', { fin: false }); ws.ping(); ws.send('mented', { fin: true });
    await ws.hear('fragmented');
    const wire = ws._socket.bytesWritten;
    ws.send(Buffer.alloc(200 << 20)); // 200 KB on the wire
    assert.equal((await ws.closed).code, 1009);
    assert.ok(ws._socket === null || ws._socket.bytesWritten - wire < 1 << 20);
    const little = await open(`ws://${small}/echo`, [], { perMessageDeflate: { threshold: 0 } });
    little.send('x'.repeat(1001));
    assert.equal((await little.closed).code, 1009);
  },
  async 'a broadcast to clients with and without compression'() {
    const crowd = [];
    for (let i = 0; i < 10; i++) crowd.push(await open(`${base}/?join=mixed`, [], { perMessageDeflate: i % 2 === 0 }));
    for (const text of ['short', 'grüße '.repeat(2000)]) {
      crowd[0].send(`group mixed ${text}`);
      for (const ws of crowd) await ws.hear(text);
    }
    for (const ws of crowd) { ws.close(); await ws.closed; }
  },
  async 'no compression where the client offers none'() {
    const ws = await open(`${base}/echo`);
    assert.equal(ws.extensions, '');
    ws.close(); await ws.closed;
  },
  async 'frames that break the protocol'() {
    const wrong = {
      'an unmasked one': raw(0x81, 'x', { mask: 0 }),
      'RSV1 without an extension': raw(0xc1, 'x'),
      'RSV2': raw(0xa1, 'x'),
      'opcode 3': raw(0x83, 'x'),
      'opcode 11': raw(0x8b, ''),
      'a ping in fragments': raw(0x09, 'x'),
      'a ping of 126 bytes': raw(0x89, 'x'.repeat(126)),
      'a continuation of nothing': raw(0x80, 'x'),
      'a message within another': Buffer.concat([raw(0x01, 'x'), raw(0x81, 'y')]),
      'a close of one byte': raw(0x88, [3]),
      'a close with 1005': raw(0x88, [0x03, 0xed]),
      'a close with 1006': raw(0x88, [0x03, 0xee]),
      'a close with 999': raw(0x88, [0x03, 0xe7]),
      'a close with 5000': raw(0x88, [0x13, 0x88]),
    };
    for (const [what, bytes] of Object.entries(wrong)) assert.equal(await breach(bytes), 1002, what);
    const huge = Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    assert.equal(await breach(huge), 1009, 'a length of 2^63-1');
    huge[2] = 0xff;
    assert.ok([1002, 1009].includes(await breach(huge)), 'a length of 2^64-1');
  },
  async 'a subprotocol that the worker chose'() {
    const ws = await open(`${base}/?subprotocol=chat`, ['other', 'chat']);
    assert.equal(ws.protocol, 'chat');
    ws.close(); await ws.closed;
    const wrong = await refused(`${base}/?subprotocol=unheard`, ['other', 'chat']); // the worker's mistake
    assert.equal(wrong.status, 502);
  },
  async 'what the worker sent while it opened comes first, and it sees cookies'() {
    const ws = await open(`${base}/?greet=1`, [], { headers: { Cookie: 'name=ann' } });
    await ws.hear('welcome ann');
    ws.close(); await ws.closed;
  },
  async 'a worker refuses with a status, a header and a body'() {
    const no = await refused(`${base}/?refuse=418`);
    assert.equal(no.status, 418);
    assert.equal(no.headers['x-why'], 'closed');
    assert.equal(no.text, 'not today');
  },
  async 'origins'() {
    for (const origin of [`http://${plain}`, 'https://example.org', 'https://a.example.net']) {
      const ws = await open(`${base}/echo`, [], { origin });
      ws.close(); await ws.closed;
    }
    for (const origin of ['https://evil.example', 'http://example.org', 'https://example.org.evil.example', 'https://example.net', 'null']) {
      assert.equal((await refused(`${base}/echo`, [], { origin })).status, 403, origin);
    }
  },
  async 'over TLS'() {
    const ws = await open(`wss://${tls}/echo`, [], { rejectUnauthorized: false, perMessageDeflate: true });
    const bytes = randomBytes(1 << 20);
    ws.send('secret'); await ws.hear('secret');
    ws.send(bytes); await ws.hear(bytes, true);
    ws.close(4000, 'bye');
    assert.equal((await ws.closed).code, 4000);
  },
};

process.on('unhandledRejection', (e) => { console.log(`FAIL ${e.stack}`); process.exitCode = 1; });
for (const [name, check] of Object.entries(checks)) {
  let late;
  const timeout = new Promise((_, reject) => { late = setTimeout(() => reject(new Error('it takes more than 20 s')), 20_000); });
  try {
    await Promise.race([check(), timeout]);
    console.log(`ok   ${name}`);
  } catch (e) {
    console.log(`FAIL ${name}: ${e.stack}`);
    process.exitCode = 1;
  }
  clearTimeout(late);
}
process.exit();
