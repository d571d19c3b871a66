// Orders, and what the host tells of them and of the stock: server-sent events, whose gaps the browser and the host
// close by themselves.

const body = document.body
const link = document.getElementById('link')
const problem = document.getElementById('problem')
const orders = document.getElementById('orders')
const price = (cents) => `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')} €`
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
let serial = Number(body.dataset.serial)

function showLeft(card, left) {
    const note = card.querySelector('.left')
    note.dataset.left = left
    note.textContent = left === 0 ? 'Sold out' : `${left} left`
    note.classList.toggle('few', left > 0 && left < 4)
    const choice = card.querySelector('select')
    for (const option of choice.options) {
        option.disabled = Number(option.value) > left
    }
    if (choice.selectedOptions[0]?.disabled) {
        choice.value = '1'
    }
    card.classList.toggle('out', left === 0)
    card.querySelector('button').disabled = left === 0 || card.dataset.busy !== undefined
}

function showStock(stock) {
    if (stock.serial < serial) {
        return // of two that come at once the later one may come first
    }
    serial = stock.serial
    for (const card of document.querySelectorAll('#products > li')) {
        showLeft(card, stock.left[card.dataset.product])
    }
}

function showOrder(order, item = document.getElementById(order.id)) {
    document.getElementById('none').hidden = true
    if (item === null) {
        item = document.createElement('li')
        orders.prepend(item)
    }
    if (item.id === '') {
        item.id = order.id
        item.append(document.getElementById('order').content.cloneNode(true))
        const name = document.querySelector(`[data-product="${order.product}"] h2`).textContent
        item.querySelector('.what').textContent = `${order.quantity} × ${name}`
        item.querySelector('.price').textContent = price(order.cents)
        item.querySelector('a').href = `/invoices/${order.id}.pdf`
    }
    if (order.invoice || item.dataset.state === undefined) { // what has come by event is newer than an answer
        item.dataset.state = order.invoice ? 'ready' : 'open'
    }
}

// Asks until there is an answer: with the same id there is one order, however often it is asked for.
async function place(form) {
    const random = crypto.getRandomValues(new Uint8Array(12))
    form.set('id', `o${[...random].map((b) => b.toString(16).padStart(2, '0')).join('')}`)
    for (let attempt = 1; ; attempt++) {
        try {
            const response = await fetch('/orders', { method: 'POST', body: new URLSearchParams(form),
                signal: AbortSignal.timeout(15_000) })
            const answer = await response.json().catch(() => ({}))
            if (response.ok || response.status < 500) {
                return answer
            }
        } catch {
            // the host is away, or was just then
        }
        if (attempt === 10) {
            return { error: 'The shop does not answer. Look here again before you order anew.' }
        }
        await sleep(200 * attempt * (0.5 + Math.random()))
    }
}

document.getElementById('products').addEventListener('submit', async (event) => {
    event.preventDefault()
    const card = event.target.closest('li')
    const button = card.querySelector('button')
    const form = new FormData(event.target)
    problem.textContent = ''
    card.dataset.busy = ''
    button.disabled = true
    const answer = await place(form)
    delete card.dataset.busy
    showLeft(card, Number(card.querySelector('.left').dataset.left))
    if (answer.order !== undefined) {
        showOrder(answer.order)
    } else {
        problem.textContent = answer.error ?? 'That did not work.'
    }
})

function listen() {
    const events = new EventSource('/events')
    events.onmessage = (event) => {
        const news = JSON.parse(event.data)
        news.stock && showStock(news.stock)
        news.order && showOrder(news.order)
    }
    events.addEventListener('lost', () => location.reload())
    events.onopen = async () => {
        link.textContent = 'Live'
        const state = await fetch('/state').then((response) => response.json()).catch(() => null)
        state?.orders.forEach((order) => showOrder(order))
        state && showStock(state.stock)
    }
    events.onerror = () => {
        link.textContent = 'Connecting'
        if (events.readyState === EventSource.CLOSED) { // it was told no, and would not ask again
            setTimeout(() => location.reload(), 1000 + 2000 * Math.random())
        }
    }
}

for (const card of document.querySelectorAll('#products > li')) {
    showLeft(card, Number(card.querySelector('.left').dataset.left))
}
for (const item of [...orders.children]) {
    showOrder(JSON.parse(item.dataset.order), item)
}
listen()
