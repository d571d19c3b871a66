// Enough of Markdown for a model's answers: paragraphs, headings, lists, code, emphasis and links. It makes nodes, and no
// HTML of what somebody else has written.

const block = new RegExp([
    /^```[\w+-]*\n([\s\S]*?)(?:\n```[ \t]*(?=\n|$)|$(?![\s\S]))/, // code, which has no end yet while it streams in
    /^(#{1,6}) +(.+)/,
    /^((?:[-*+]|\d+[.)]) [\s\S]*?)(?=\n\n(?! )|\n```|$(?![\s\S]))/, // a list, to the next empty line
].map((one) => one.source).join('|'), 'm');
const inline = /`([^`]+)`|\*\*([^*]+(?:\*[^*]+)*)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/;

/** Returns the nodes that show a text. */
export function render(text) {
    const nodes = [];
    for (let rest = text.replaceAll('\r\n', '\n'); rest.trim() !== '';) {
        const match = block.exec(rest);
        const before = match === null ? rest : rest.slice(0, match.index);
        for (const paragraph of before.split(/\n{2,}/)) {
            if (paragraph.trim() !== '') {
                nodes.push(element('p', ...spans(paragraph.trim())));
            }
        }
        if (match === null) {
            break;
        }
        rest = rest.slice(match.index + match[0].length);
        const [, code, marks, heading, list] = match;
        if (list !== undefined) {
            nodes.push(items(list));
        } else if (heading !== undefined) {
            nodes.push(element(`h${Math.min(6, marks.length + 2)}`, ...spans(heading)));
        } else {
            const pre = element('pre', element('code', code));
            pre.tabIndex = 0; // it may be wider than the page
            nodes.push(pre);
        }
    }
    return nodes;
}

function items(text) {
    const list = document.createElement(/^\d/.test(text) ? 'ol' : 'ul');
    for (const item of text.split(/\n(?=(?:[-*+]|\d+[.)]) )/)) {
        list.append(element('li', ...spans(item.replace(/^\S+ /, '').trim())));
    }
    if (list.tagName === 'OL') {
        list.start = Number.parseInt(text, 10);
    }
    return list;
}

function spans(text) {
    const match = inline.exec(text);
    if (match === null) {
        return [text];
    }
    const [all, code, strong, em, label, address] = match;
    let made;
    if (code !== undefined) {
        made = element('code', code);
    } else if (strong !== undefined) {
        made = element('strong', ...spans(strong));
    } else if (em !== undefined) {
        made = element('em', ...spans(em));
    } else {
        made = element('a', label);
        made.href = address;
        made.rel = 'noopener noreferrer';
    }
    return [text.slice(0, match.index), made, ...spans(text.slice(match.index + all.length))];
}

function element(tag, ...content) {
    const made = document.createElement(tag);
    made.append(...content);
    return made;
}
