// varlink over cockpit's channel to a Unix socket: each message is JSON with a NUL behind it. See varlink.org.

/* global cockpit */

/** What evbd, or the way to it, has refused: name is varlink's (io.evbd.Refused) or cockpit's problem (access-denied). */
export class CallError extends Error {
    constructor(name, message, hint = "") {
        super(message);
        this.name = name;
        this.hint = hint;
    }
}

const encoder = new TextEncoder();
// ENOENT; EACCES.
const PROBLEM_OF_ERRNO = { 2: "not-found", 13: "access-denied" };

/** The problem in the options of a channel's end, or null. A bridge in Python says "terminated" of all sockets that it cannot open. */
export function problemOf({ problem, message }) {
    const [, errno] = problem === "terminated" && /^\[Errno (\d+)\]/.exec(message) || [];
    return PROBLEM_OF_ERRNO[errno] ?? (problem || null);
}

/** A connection. Calls are answered in their order; onclose is called once, with cockpit's problem or null. */
export class Connection {
    constructor(path, asAdministrator, onclose = () => {}) {
        this.waiting = [];
        this.pieces = [];
        this.isClosed = false;
        this.onclose = onclose;
        // Text channels of cockpit replace NUL, so that this one is binary.
        this.channel = cockpit.channel({ payload: "stream", unix: path, binary: true, ...(asAdministrator ? { superuser: "try" } : {}) });
        this.channel.addEventListener("message", (_, data) => this.take(data));
        this.channel.addEventListener("close", (_, options) => this.ended(problemOf(options)));
    }

    take(data) {
        let octets = data instanceof Uint8Array ? data : new Uint8Array(data);
        for (let end; (end = octets.indexOf(0)) >= 0; octets = octets.subarray(end + 1)) {
            this.pieces.push(octets.slice(0, end));
            const decoder = new TextDecoder();
            const text = this.pieces.map(piece => decoder.decode(piece, { stream: true })).join("") + decoder.decode();
            this.pieces = [];
            let message;
            try {
                message = JSON.parse(text);
            } catch {
                // What is behind it cannot be trusted either.
                this.ended("protocol-error");
                this.channel.close();
                return;
            }
            this.reply(message);
        }
        if (octets.length)
            this.pieces.push(octets.slice());
    }

    reply(message) {
        const [call] = this.waiting;
        if (!call)
            return;
        if (!message.continues)
            this.waiting.shift();
        if (message.error) {
            const { message: text, hint } = message.parameters || {};
            call.reject(new CallError(message.error, text || message.error, hint));
        } else if (call.onreply) {
            call.onreply(message.parameters || {});
            if (!message.continues)
                call.resolve();
        } else {
            call.resolve(message.parameters || {});
        }
    }

    ended(problem) {
        if (this.isClosed)
            return;
        this.isClosed = true;
        for (const call of this.waiting.splice(0))
            call.reject(new CallError(problem || "disconnected", "The connection to evbd has ended.", "The page connects again by itself; look whether it was done."));
        this.onclose(problem);
    }

    /** Calls a method of io.evbd. With onreply it is asked for several replies, and each of them goes there. */
    call(method, parameters = {}, onreply = null) {
        return new Promise((resolve, reject) => {
            if (this.isClosed) {
                reject(new CallError("disconnected", "There is no connection to evbd.", "The page connects again by itself; then try again."));
                return;
            }
            this.waiting.push({ resolve, reject, onreply });
            this.channel.send(encoder.encode(JSON.stringify({ method: `io.evbd.${method}`, parameters, ...(onreply ? { more: true } : {}) }) + "\0"));
        });
    }

    close() {
        if (this.isClosed)
            return;
        this.ended("closed");
        this.channel.close();
    }
}
