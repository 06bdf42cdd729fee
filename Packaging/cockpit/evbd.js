// The page: draws what session.js knows.

/* global cockpit */

import * as actions from "./actions.js";
import { byID, element, show } from "./dom.js";
import { Session, keyOf } from "./session.js";
import { Table, addressesOf, nameOf, picture } from "./table.js";

const REMEDIES = {
    "not-found": ["evbd is not running.", "Start it with: systemctl enable --now evbd. This page looks again by itself."],
    "access-denied": ["You may not use evbd's socket.",
        "Become a member of the group evbd and log in again, switch administrative access on, or have control.read-only set in evbd.yaml."],
    connecting: ["Connecting to evbd…", ""],
};

/** Cockpit's choice of light or dark, which it keeps in the browser under the same name in all versions. */
function followStyle() {
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const apply = style => document.documentElement.classList.toggle("dark", style === "dark" || (style !== "light" && system.matches));
    const stored = () => apply(localStorage.getItem("shell:style") || "auto");
    window.addEventListener("storage", event => event.key === "shell:style" && stored());
    window.addEventListener("cockpit-style", event => apply(event.detail?.style ?? "auto"));
    system.addEventListener("change", stored);
    stored();
}

function port(one) {
    const details = session.details.get(one.interface), neighbour = details?.lldpNeighbour;
    const facts = {
        Switch: one.peer ? [neighbour?.systemName, one.peer.chassisID].filter(Boolean).join(", ") : "not heard", "Its port": one.peer?.portID,
        "Reflective relay": one.reflectiveRelay.status, Dialect: one.dialect, Link: one.linkState ?? (one.linkUp ? "up" : "down"),
        Drained: one.drain ? `until ${new Date(one.drain.untilMilliseconds).toLocaleString()}, by ${one.drain.by}` : null,
    };
    return element("article", { class: "card" }, element("h3", {}, one.interface, element("span", { class: "badge" }, one.role)),
        picture(one, details, [...session.vsis.values()]),
        element("dl", {}, Object.entries(facts).filter(([, value]) => value).map(([term, value]) => [element("dt", {}, term), element("dd", {}, value)])));
}

function options(select, values) {
    const chosen = select.value;
    show(select, element("option", { value: "" }, "all"), [...new Set([...values, chosen])].filter(Boolean).sort().map(value => element("option", { value }, value)));
    select.value = chosen;
}

function list() {
    const all = [...session.vsis.values()], words = byID("filter").value.toLowerCase(), state = byID("state-filter").value, on = byID("port-filter").value;
    const fitting = all.filter(vsi => (!state || vsi.state === state) && (!on || vsi.port === on)
        && (!words || [nameOf(vsi), vsi.vsiID, addressesOf(vsi), vsi.link?.name, vsi.typeID].join(" ").toLowerCase().includes(words)));
    byID("count").textContent = `${fitting.length} of ${all.length}`;
    table.update(fitting);
}

function draw() {
    const isConnected = session.connection === "connected", [what, remedy] = REMEDIES[session.connection]
        ?? [`The connection to evbd was lost (${session.connection}).`, "This page connects again by itself."];
    byID("connection").hidden = isConnected;
    show(byID("connection"), isConnected ? "" : what, element("span", { class: "hint" }, ` ${remedy}`));
    byID("content").hidden = !isConnected;
    byID("live").textContent = isConnected ? "live" : "";
    const isStation = isConnected && session.status.ports.some(one => one.role === "station");
    byID("associate").disabled = !isStation || !session.canChange;
    byID("associate").title = isConnected && !isStation ? "evbd has no port with the role station." : "";
    byID("rights").hidden = !isConnected || session.canChange;
    byID("rights").textContent = "You may look and change nothing: that is for members of the group evbd and for administrators.";
    if (!isConnected)
        return;
    const { daemon, ports, problems, notes } = session.status;
    byID("daemon").textContent = `evbd ${daemon.version}`;
    const wrong = [...problems, ...notes.filter(note => !problems.some(problem => problem.message === note.message))];
    byID("problems-section").hidden = !wrong.length;
    show(byID("problems"), wrong.map(problem => element("li", { class: `alert ${problem.isProblem === false ? "info" : "warning"}` },
        problem.port && element("strong", {}, `${problem.port}: `), problem.message, element("span", { class: "hint" }, ` ${problem.hint}`))));
    show(byID("ports"), ports.length ? ports.map(port) : element("p", { class: "muted" }, "evbd has no ports. Name one in /etc/evbd/evbd.yaml, then: systemctl reload evbd"));
    const channels = ports.filter(one => one.channel);
    byID("channels-section").hidden = !channels.length;
    show(byID("channels"), channels.map(one => element("tr", {}, [one.interface, one.channel.uplink, one.channel.scid, one.channel.svid ?? "none",
        one.channel.reason ?? "there"].map(value => element("td", {}, value)))));
    options(byID("state-filter"), [...session.vsis.values()].map(vsi => vsi.state));
    options(byID("port-filter"), ports.map(one => one.interface));
    list();
    actions.details(byID("details"), session, session.vsis.get(chosen), () => choose(null));
}

function choose(vsi) {
    chosen = vsi && keyOf(vsi);
    draw();
    if (vsi)
        byID("details-title").focus();
}

let chosen = null, session = null;
followStyle();
const table = new Table(byID("table"), choose);
for (const id of ["filter", "state-filter", "port-filter"])
    byID(id).addEventListener("input", list);
byID("associate").addEventListener("click", () => actions.associate(session));
cockpit.transport.wait(() => {
    session = new Session(draw);
    draw();
});
