// The state of evbd as it is now: read once, then kept by Monitor. Events are gathered for an animation frame.

/* global cockpit */

import { Connection } from "./varlink.js";

const CONTROL = "/run/evbd/evbd.sock";
const READ_ONLY = "/run/evbd/evbd-ro.sock";
const RETRY_MILLISECONDS = 2000;
// Ages, and problems of which no event tells.
const REREAD_MILLISECONDS = 5000;
// From so many changed VSIs on the whole list is read in place of each of them.
const ONE_BY_ONE = 20;

export const keyOf = vsi => `${vsi.port} ${vsi.vsiID}`;

/** connection: "connecting", "connected", or cockpit's problem; canChange: whether evbd takes changes of this user. */
export class Session {
    constructor(changed) {
        this.changed = changed;
        this.connection = "connecting";
        this.canChange = false;
        this.status = null;
        this.details = new Map();
        this.vsis = new Map();
        this.dirty = { status: false, all: false, vsis: new Set() };
        this.permission = cockpit.permission({ admin: true });
        this.permission.addEventListener("changed", () => this.permissionChanged());
        this.isAdministrator = Boolean(this.permission.allowed);
        this.connect(CONTROL);
    }

    permissionChanged() {
        if (this.isAdministrator === Boolean(this.permission.allowed))
            return;
        this.isAdministrator = Boolean(this.permission.allowed);
        this.restart();
    }

    /** Connects at once, and from the beginning. */
    restart() {
        this.end();
        this.connect(CONTROL);
    }

    end() {
        window.clearTimeout(this.timer);
        window.clearInterval(this.rereading);
        const [calls, events] = [this.calls, this.events];
        this.calls = this.events = null;
        calls?.close();
        events?.close();
    }

    async connect(path) {
        const calls = this.calls = new Connection(path, this.isAdministrator, problem => this.lost(calls, path, problem));
        try {
            // Subscribed before the first look, so that nothing is missed between the two.
            await calls.call("GetVersion");
            if (this.calls !== calls)
                return;
            const events = this.events = new Connection(path, this.isAdministrator, problem => this.lost(events, path, problem));
            events.call("Monitor", {}, reply => this.happened(reply.event)).catch(() => {});
            this.canChange = path === CONTROL;
            await this.read({ status: true, all: true, vsis: new Set() });
            if (this.calls !== calls)
                return;
            this.connection = "connected";
            this.rereading = window.setInterval(() => this.mark({ status: true }), REREAD_MILLISECONDS);
            this.changed();
        } catch (error) {
            // A connection that ends is told of by lost(); what evbd answers and cannot be read ends it.
            if (this.calls === calls)
                this.lost(calls, path, error.message);
        }
    }

    lost(connection, path, problem) {
        if (connection !== this.calls && connection !== this.events)
            return;
        this.end();
        if (problem === "access-denied" && path === CONTROL) {
            this.connect(READ_ONLY);
            return;
        }
        // Where the other socket is missing, the reason is still that this user may not use the first.
        this.connection = problem === "not-found" && path === READ_ONLY ? "access-denied" : problem || "disconnected";
        this.timer = window.setTimeout(() => this.connect(CONTROL), RETRY_MILLISECONDS);
        this.changed();
    }

    happened(event) {
        if (event.vsiID)
            this.dirty.vsis.add(event.vsiID);
        this.mark({ status: true });
    }

    mark(what) {
        Object.assign(this.dirty, what);
        if (this.isReading || this.frame)
            return;
        this.frame = window.requestAnimationFrame(() => {
            this.frame = null;
            this.refresh();
        });
    }

    async refresh() {
        if (this.isReading || !this.calls)
            return;
        const dirty = this.dirty;
        this.dirty = { status: false, all: false, vsis: new Set() };
        this.isReading = true;
        try {
            await this.read(dirty);
            this.changed();
        } catch (error) {
            // An ended connection has been told of. Others are mistakes of this page.
            if (this.calls)
                console.error("evbd:", error);
        } finally {
            this.isReading = false;
            if (this.dirty.status || this.dirty.all || this.dirty.vsis.size)
                this.mark({});
        }
    }

    async read(dirty) {
        const calls = this.calls;
        if (dirty.status) {
            this.status = (await calls.call("GetStatus")).status;
            const details = new Map();
            for (const { interface: name } of this.status.ports) {
                // A port may go by a reload between the two calls.
                await calls.call("GetPort", { interface: name }).then(reply => details.set(name, reply.port), () => {});
            }
            this.details = details;
        }
        // More or fewer than evbd counts: an event has been missed, as those of a reload are.
        if (dirty.all || dirty.vsis.size > ONE_BY_ONE || this.counted() !== this.vsis.size)
            await this.readAll(calls);
        else
            for (const id of dirty.vsis)
                await this.readOne(calls, id);
    }

    counted() {
        const counts = this.status.ports.map(port => Object.values(port.vsis).reduce((sum, each) => sum + each, 0));
        return counts.reduce((sum, each) => sum + each, 0);
    }

    async readAll(calls) {
        const found = new Map();
        await calls.call("ListVSIs", {}, reply => reply.vsis.forEach(vsi => found.set(keyOf(vsi), vsi)));
        this.vsis = found;
    }

    async readOne(calls, id) {
        const found = [];
        await calls.call("ListVSIs", { match: `id=${id}` }, reply => found.push(...reply.vsis)).catch(error => {
            if (error.name !== "io.evbd.NoSuchVSI")
                throw error;
        });
        for (const [key, vsi] of this.vsis)
            if (vsi.vsiID === id)
                this.vsis.delete(key);
        for (const vsi of found)
            this.vsis.set(keyOf(vsi), vsi);
    }

    /** A call on a connection of its own, so that one that waits for the bridge holds up nothing. */
    async change(method, parameters) {
        const connection = new Connection(this.canChange ? CONTROL : READ_ONLY, this.isAdministrator);
        try {
            return await connection.call(method, parameters);
        } finally {
            connection.close();
            if (parameters.vsiID)
                this.dirty.vsis.add(parameters.vsiID);
            this.mark({ status: true });
        }
    }
}
