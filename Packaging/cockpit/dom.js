// Elements without markup: what comes from the wire, a guest or an administrator is text, and never parsed.

/** An element with attributes, listeners (keys that begin with "on") and children; null and false children are left out. */
export function element(name, attributes = {}, ...children) {
    return fill(document.createElement(name), attributes, children);
}

/** Likewise, an element of SVG. */
export function drawn(name, attributes = {}, ...children) {
    return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(made, attributes, children) {
    for (const [key, value] of Object.entries(attributes)) {
        if (value === null || value === undefined || value === false)
            continue;
        if (key.startsWith("on"))
            made.addEventListener(key.slice(2), value);
        else
            made.setAttribute(key, value === true ? "" : String(value));
    }
    made.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false).map(printable));
    return made;
}

/** Control characters and marks that turn the direction of text would let a name pass for another. */
export function printable(child) {
    if (child instanceof Node)
        return child;
    return String(child).replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

/** Replaces what is in an element, unless it is the same: focus and selection stay where nothing has changed. */
export function show(parent, ...children) {
    const next = element(parent.localName, {}, ...children);
    if (next.innerHTML === parent.innerHTML)
        return;
    const focused = parent.contains(document.activeElement) ? document.activeElement.id : "";
    parent.replaceChildren(...next.childNodes);
    if (focused)
        document.getElementById(focused)?.focus();
}

export const byID = id => document.getElementById(id);
