// What a person does: dialogs to associate and de-associate, and the details of one VSI with retry.

import { byID, element, show } from "./dom.js";
import { addressesOf, nameOf } from "./table.js";

/** Says how something went, where the person acted. */
export function tell(parent, text, error = null) {
    parent.replaceChildren(element("p", { class: `alert ${error ? "danger" : "success"}` }, text, error?.hint ? element("span", { class: "hint" }, ` ${error.hint}`) : null));
}

function newID() {
    const octets = crypto.getRandomValues(new Uint8Array(16));
    octets[6] = octets[6] & 0x0f | 0x40;
    octets[8] = octets[8] & 0x3f | 0x80;
    return [...octets].map(octet => octet.toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function ask(title, fields, verb, act) {
    const dialog = byID("dialog"), outcome = element("div", { role: "alert" });
    const submit = element("button", { type: "submit", class: "primary" }, verb);
    const form = element("form", { onsubmit: async event => {
        event.preventDefault();
        submit.disabled = true;
        outcome.replaceChildren();
        try {
            await act(new FormData(form));
            dialog.close();
        } catch (error) {
            tell(outcome, error.message, error);
        } finally {
            submit.disabled = false;
        }
    } }, element("h2", { id: "dialog-title" }, title), fields, outcome,
    element("div", { class: "buttons" }, submit, element("button", { type: "button", onclick: () => dialog.close() }, "Cancel")));
    dialog.replaceChildren(form);
    dialog.showModal();
}

const field = (label, name, attributes = {}) => element("label", {}, label, element("input", { name, autocomplete: "off", ...attributes }));

export function associate(session) {
    const ports = session.status.ports.filter(port => port.role === "station");
    ask("Associate a VSI", [
        element("label", {}, "Port", element("select", { name: "port" }, ports.map(port => element("option", {}, port.interface)))),
        field("VSI type, as the switch's administrator gave it", "type", { type: "number", min: 0, max: 16777215, required: true }),
        field("Version of the type", "version", { type: "number", min: 0, max: 255, value: 0 }), field("VSI manager (empty: evbd's default)", "manager"),
        field("MAC address", "mac", { required: true, pattern: "([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", title: "six pairs of hexadecimal digits, as 52:54:00:00:00:01" }),
        field("VLAN (0: the switch chooses)", "vlan", { type: "number", min: 0, max: 4094, value: 0 }), field("Label", "label", { maxlength: 64 }),
        field("VSIID", "id", { value: newID(), required: true }),
    ], "Associate", async data => {
        await session.change("Associate", { vsiID: data.get("id"), port: data.get("port"), managerID: data.get("manager") || null, typeID: Number(data.get("type")),
            typeVersion: Number(data.get("version")), filters: [{ mac: data.get("mac"), vlan: Number(data.get("vlan")) }], label: data.get("label") || null, wait: 20000 });
        tell(byID("outcome"), `${data.get("label") || data.get("id")} is associated.`);
    });
}

function deassociate(session, vsi) {
    ask(`De-associate ${nameOf(vsi)}?`, element("p", {}, "Its machine loses its network."), "De-associate", async () => {
        await session.change("Deassociate", { vsiID: vsi.vsiID, port: vsi.port, wait: 20000 });
        tell(byID("outcome"), `${nameOf(vsi)} is de-associated.`);
    });
}

export function details(parent, session, vsi, close) {
    parent.hidden = !vsi;
    if (!vsi)
        return;
    if (parent.dataset.vsi !== vsi.vsiID) {
        parent.dataset.vsi = vsi.vsiID;
        parent.replaceChildren(element("h2", { id: "details-title", tabindex: -1 }), element("dl", {}), element("div", { class: "warnings" }),
            element("div", { class: "buttons" }, element("button", { id: "retry", type: "button" }, "Retry"),
                element("button", { id: "deassociate", type: "button", class: "danger" }, "De-associate…"), element("button", { type: "button", onclick: close }, "Close")),
            element("div", { class: "said", role: "status" }));
    }
    const [title, facts, warnings, , said] = parent.children;
    show(title, nameOf(vsi));
    show(facts, Object.entries({ VSIID: vsi.vsiID, State: vsi.state, Reason: vsi.reason, Port: vsi.port, Type: `${vsi.typeID} version ${vsi.typeVersion}`, Manager: vsi.managerID,
        Link: vsi.link ? `${vsi.link.name} (${vsi.link.kind ?? "adopted"}${vsi.link.mode ? `, ${vsi.link.mode}` : ""})` : vsi.requestedLink && `${vsi.requestedLink.name}, not there`,
        Addresses: addressesOf(vsi) }).filter(([, value]) => value).map(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]));
    show(warnings, (vsi.warnings ?? []).map(warning => element("p", { class: "alert warning" }, warning.message, element("span", { class: "hint" }, warning.hint))));
    const reason = session.canChange ? "" : "Only members of the group evbd and administrators may change VSIs.";
    const [retry, end] = [byID("retry"), byID("deassociate")];
    for (const button of [retry, end]) {
        button.disabled = !session.canChange;
        button.title = reason;
    }
    retry.onclick = () => session.change("Retry", { vsiID: vsi.vsiID, port: vsi.port, wait: 20000 })
        .then(() => tell(said, "The switch has granted it."), error => tell(said, error.message, error));
    end.onclick = () => deassociate(session, vsi);
}
