// The table of VSIs. However many there are, only the rows in sight are elements.

import { drawn, element, show } from "./dom.js";
import { keyOf } from "./session.js";

// As in evbd.css: the height of a row in pixels, and the part of the page's height that the table has at most.
const ROW = 36, HEIGHT = 0.6, SPARE = 8;

export const nameOf = vsi => vsi.label || vsi.link?.name || vsi.requestedLink?.name || vsi.vsiID;
export const addressesOf = vsi => vsi.filters.map(filter => [filter.mac, filter.vlan ? `VLAN ${filter.vlan}` : null].filter(Boolean).join(" ")).join(", ");
const COLUMNS = [
    ["Name", nameOf], ["Port", vsi => vsi.port], ["State", vsi => vsi.state + (vsi.reason && vsi.reason !== "success" ? ` (${vsi.reason})` : "")],
    ["Type", vsi => `${vsi.typeID} version ${vsi.typeVersion}`], ["Link", vsi => vsi.link?.name ?? ""], ["Addresses", addressesOf],
];
const order = new Intl.Collator(undefined, { numeric: true });

export class Table {
    constructor(parent, chosen) {
        this.chosen = chosen;
        this.rows = [];
        this.column = 0;
        this.isDescending = false;
        this.heads = COLUMNS.map(([title], index) => element("th", { scope: "col" },
            element("button", { type: "button", onclick: () => this.sortBy(index) }, title)));
        this.body = element("tbody");
        this.window = element("div", { class: "window", onscroll: () => this.draw() },
            element("table", { class: "vsis" }, element("thead", {}, element("tr", {}, this.heads)), this.body));
        parent.replaceChildren(this.window);
        this.body.addEventListener("keydown", event => this.move(event));
        this.body.addEventListener("click", event => this.choose(event.target.closest("tr")));
    }

    sortBy(index) {
        this.isDescending = this.column === index && !this.isDescending;
        this.column = index;
        this.update(this.rows);
    }

    update(rows) {
        const [, value] = COLUMNS[this.column];
        const keyed = rows.map(vsi => [String(value(vsi)), vsi]).sort(([one], [other]) => order.compare(one, other));
        this.rows = (this.isDescending ? keyed.reverse() : keyed).map(([, vsi]) => vsi);
        this.heads.forEach((head, index) => index === this.column
            ? head.setAttribute("aria-sort", this.isDescending ? "descending" : "ascending") : head.removeAttribute("aria-sort"));
        this.draw();
    }

    draw() {
        const first = Math.max(0, Math.floor(this.window.scrollTop / ROW) - SPARE);
        const last = Math.min(this.rows.length, first + Math.ceil(window.innerHeight * HEIGHT / ROW) + 2 * SPARE);
        const spacer = count => {
            if (!count)
                return null;
            const cell = element("td", { colspan: COLUMNS.length });
            cell.style.height = `${count * ROW}px`;
            return element("tr", { "aria-hidden": "true", class: "spacer" }, cell);
        };
        this.body.parentNode.setAttribute("aria-rowcount", this.rows.length + 1);
        show(this.body, spacer(first), this.rows.slice(first, last).map((vsi, offset) => this.row(vsi, first + offset)),
             spacer(this.rows.length - last));
    }

    row(vsi, index) {
        return element("tr", { id: `vsi-${keyOf(vsi)}`, tabindex: 0, "data-index": index, "aria-rowindex": index + 2 },
            COLUMNS.map(([title, value]) => element("td", { "data-title": title, title: value(vsi) },
                title === "State" ? element("span", { class: `state ${vsi.state}` }, value(vsi)) : value(vsi))));
    }

    choose(row) {
        if (row?.dataset.index)
            this.chosen(this.rows[Number(row.dataset.index)]);
    }

    move(event) {
        const row = event.target.closest("tr");
        const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -this.rows.length, End: this.rows.length }[event.key];
        if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            this.choose(row);
        } else if (step && row?.dataset.index) {
            event.preventDefault();
            const index = Math.min(this.rows.length - 1, Math.max(0, Number(row.dataset.index) + step));
            if (index * ROW < this.window.scrollTop || (index + 3) * ROW > this.window.scrollTop + this.window.clientHeight)
                this.window.scrollTop = Math.max(0, index * ROW - this.window.clientHeight / 2);
            this.draw();
            this.body.querySelector(`[data-index="${index}"]`)?.focus();
        }
    }
}

/** Host, cable and switch of a port, and the way of a frame through the relay; with the same in words. */
export function picture(port, details, vsis) {
    const isStation = port.role === "station";
    const peer = details?.lldpNeighbour?.systemName || port.peer?.chassisID || "not heard";
    const [host, bridge] = isStation ? ["this host", peer] : [peer, "this host"];
    const own = vsis.filter(vsi => vsi.port === port.interface), associated = own.filter(vsi => vsi.state === "associated").length;
    const relay = port.reflectiveRelay, relays = relay.status === "granted";
    let way = `The switch does not reflect (reflective relay: ${relay.status}): VSIs of this port do not reach each other through it.`;
    if (relays)
        way = "The switch reflects: associated VSIs in one VLAN reach each other through it, where its policy allows.";
    else if (!relay.requested)
        way = "Reflective relay is not asked for: frames between VSIs of this port stay in the bridge of their host.";
    const words = `${associated} of ${own.length} ${own.length === 1 ? "VSI is" : "VSIs are"} associated. ${way}`;
    const short = text => text.length > 20 ? `${text.slice(0, 19)}…` : text;
    const box = (x, title, below) => [drawn("rect", { x, y: 10, width: 150, height: 80, rx: 6 }),
        drawn("text", { x: x + 75, y: 44, "text-anchor": "middle" }, short(title)),
        drawn("text", { x: x + 75, y: 66, "text-anchor": "middle", class: "small" }, short(below))];
    return element("figure", {},
        drawn("svg", { viewBox: "0 0 460 100", role: "img", "aria-label": `${host}, cable ${port.linkUp ? "up" : "down"}, ${bridge}. ${words}` },
            box(5, host, isStation ? port.interface : port.peer?.portID ?? ""), box(305, bridge, isStation ? port.peer?.portID ?? "" : port.interface),
            drawn("path", { d: "M155 75H305", class: port.linkUp ? "cable" : "cable down" }),
            (relays || relay.requested) && drawn("path", { d: relays ? "M160 25H288A12 12 0 0 1 288 49H165M173 44L165 49L173 54" : "M160 25H290M284 19L296 31M296 19L284 31",
                class: relays ? "relay" : "relay off" })),
        element("figcaption", {}, words));
}
