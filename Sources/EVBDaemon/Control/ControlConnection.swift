// One client of the control socket: its octets in and out, and the one call of its that is in hand.
//
// Calls are handled one after another. Reading stops while more has come than can be handled, writing is queued up to a
// bound, and whatever breaks a rule costs this client its connection and nobody else anything.

internal import EVBControl
internal import EventLoop
internal import LinuxSystem
internal import Logging

final class ControlConnection {
    /// How many octets one turn of the loop takes from a client.
    private static let readPerTurn = 64 << 10
    /// How many calls of a client are handled before other descriptors are asked.
    private static let callsPerTurn = 16
    /// How many VSIs are made JSON in one turn: about a millisecond's work.
    private static let vsisPerPage = 64
    /// Below how many waiting octets the next page is made.
    private static let lowWater = 64 << 10

    let loop: EventLoop
    let peer: PeerCredentials
    private let descriptor: FileDescriptor
    private unowned let server: ControlServer
    private let queueLimit: Int
    private var watch: EventLoop.Watch?
    private var decoder: VarlinkDecoder
    private var output: [UInt8] = []
    private var written = 0
    private var current: ControlReplyHandle?
    private var pages: Pages?
    private var pageIsDue = false
    private var inputHasEnded = false
    private var isPumping = false
    private(set) var isClosed = false

    private struct Pages {
        var iterator: AnyIterator<VSIStatus>
        var next: VSIStatus?
        let more: Bool
        let oneway: Bool
        let handle: ControlReplyHandle
        /// Without `more`: the items so far, as JSON with commas between them.
        var collected: [UInt8] = []
    }

    init(
        descriptor: consuming FileDescriptor, peer: PeerCredentials, server: ControlServer, loop: EventLoop
    ) throws(SystemError) {
        self.descriptor = descriptor
        self.peer = peer
        self.server = server
        self.loop = loop
        queueLimit = server.limits.queuedOctets
        decoder = VarlinkDecoder(limit: server.limits.messageOctets)
        watch = try loop.watch(self.descriptor.rawValue, for: .readable) { [weak self] in self?.isReady($0) }
    }

    private var waiting: Int { output.count - written }

    // MARK: Readiness

    private func isReady(_ readiness: EventLoop.Readiness) {
        if readiness.contains(.error) {
            close(.gone)
        } else if readiness.contains(.hangup) {
            takeLastWords()
        } else {
            if readiness.contains(.writable) { flush() }
            if readiness.contains(.readable), !isClosed { read() }
        }
        updateInterest()
    }

    private func read() {
        do {
            guard let octets = try UnixSocket.read(descriptor.rawValue, upTo: Self.readPerTurn) else { return }
            inputHasEnded = octets.isEmpty
            decoder.append(octets)
        } catch {
            return close(.gone)
        }
        pump()
    }

    /// The client has closed its end: nothing can be told to it, and what it asked before is still done, as it asked.
    private func takeLastWords() {
        current?.clientHasGone()
        var taken = 0
        while taken <= server.limits.messageOctets, !isClosed {
            guard let octets = try? UnixSocket.read(descriptor.rawValue, upTo: Self.readPerTurn), !octets.isEmpty
            else { break }
            taken += octets.count
            decoder.append(octets)
        }
        pages = nil
        while !isClosed, let message = try? decoder.next(), let call = try? VarlinkCall(message: message) {
            let handle = ControlReplyHandle(connection: self, oneway: call.oneway, more: call.more)
            current = handle
            server.handle(call, from: peer, reply: handle)
            handle.clientHasGone()
        }
        close(.gone)
    }

    private func updateInterest() {
        guard !isClosed else { return }
        var interest: EventLoop.Readiness = []
        if !inputHasEnded, !decoder.isFull { interest.insert(.readable) }
        if waiting > 0 { interest.insert(.writable) }
        watch?.update(interest)
    }

    // MARK: Calls

    private func pump() {
        guard !isPumping, !isClosed else { return }
        isPumping = true
        defer { isPumping = false }
        var handled = 0
        while current == nil, !isClosed {
            guard handled < Self.callsPerTurn else { return pumpLater() }
            do {
                guard let message = try decoder.next() else { break }
                let call = try VarlinkCall(message: message)
                let handle = ControlReplyHandle(connection: self, oneway: call.oneway, more: call.more)
                current = handle
                server.handle(call, from: peer, reply: handle)
            } catch {
                server.logger.debug("control client broke the protocol", metadata: ["error": "\(error)"])
                return close(.broken)
            }
            handled += 1
        }
        closeIfDone()
    }

    private func pumpLater() {
        loop.later { [weak self] in
            self?.pump()
            self?.updateInterest()
        }
    }

    /// After the half of a connection that brings calls has ended, the other half lives as long as there is an answer.
    private func closeIfDone() {
        if inputHasEnded, current == nil, waiting == 0, !isClosed { close(.done) }
    }

    func finish(_ handle: ControlReplyHandle) {
        guard current === handle else { return }
        current = nil
        if !isPumping { pumpLater() }
    }

    // MARK: Output

    /// Sends a message as soon as the client reads.
    ///
    /// - Returns: false if the client is gone, or is dropped now because too much waits for it.
    func enqueue(_ octets: [UInt8]) -> Bool {
        guard !isClosed else { return false }
        // What the kernel takes at once is not queued: only a client that does not read comes near the bound.
        output.append(contentsOf: octets)
        flush()
        guard !isClosed else { return false }
        guard waiting <= queueLimit else {
            server.logger.notice(
                "control client does not read and is dropped", metadata: ["pid": "\(peer.pid)", "queued": "\(waiting)"])
            close(.slow)
            return false
        }
        updateInterest()
        return true
    }

    private func flush() {
        while waiting > 0, !isClosed {
            do {
                guard let count = try UnixSocket.write(descriptor.rawValue, output[written...]) else { break }
                written += count
            } catch {
                // The client may have closed after a last call; what it wrote is taken when the hangup is reported.
                output.removeAll()
                written = 0
                return
            }
        }
        if written == output.count || written > Self.lowWater {
            output.removeFirst(written)
            written = 0
        }
        if pages != nil, waiting < Self.lowWater { pageLater() }
        closeIfDoneLater()
    }

    private func closeIfDoneLater() {
        guard inputHasEnded, current == nil, waiting == 0 else { return }
        pumpLater()
    }

    // MARK: Pages

    func startPages(_ iterator: AnyIterator<VSIStatus>, more: Bool, oneway: Bool, of handle: ControlReplyHandle) {
        guard current === handle, !isClosed else { return }
        pages = Pages(iterator: iterator, next: iterator.next(), more: more, oneway: oneway, handle: handle)
        page()
    }

    private func pageLater() {
        guard !pageIsDue else { return }
        pageIsDue = true
        loop.later { [weak self] in
            self?.pageIsDue = false
            self?.page()
        }
    }

    private func page() {
        guard var pages, !isClosed, waiting < Self.lowWater else { return }
        var items: [VSIStatus] = []
        while items.count < Self.vsisPerPage, let vsi = pages.next {
            items.append(vsi)
            pages.next = pages.iterator.next()
        }
        let isLast = pages.next == nil
        var message: [UInt8]?
        if pages.oneway {
            message = nil
        } else if pages.more {
            message = VarlinkReply.octets(parameters: JSONCoding.encode(["vsis": items]), continues: !isLast)
        } else {
            let text = JSONCoding.encode(items)
            if !pages.collected.isEmpty { pages.collected.append(UInt8(ascii: ",")) }
            pages.collected += text.dropFirst().dropLast()
            if pages.collected.count > queueLimit / 2 {
                self.pages = nil
                return refuseLongList(pages.handle)
            }
            if isLast {
                let parameters = Array("{\"vsis\":[".utf8) + pages.collected + Array("]}".utf8)
                message = VarlinkReply.octets(parameters: parameters)
            }
        }
        self.pages = isLast ? nil : pages
        if let message, !enqueue(message) { return }
        if isLast {
            finish(pages.handle)
        } else if waiting < Self.lowWater {
            pageLater()
        }
    }

    private func refuseLongList(_ handle: ControlReplyHandle) {
        let error = ControlError(
            .busy(limit: "octets in one reply"), message: "the list does not fit in one reply",
            hint: "call with \"more\" to have it in several, or name a port or a state")
        if enqueue(VarlinkReply(parameters: error.parameters, error: error.name).octets) { finish(handle) }
    }

    // MARK: End

    /// Ends the connection; its server forgets it.
    private func close(_ reason: ControlServer.End) {
        guard !isClosed else { return }
        end()
        server.forget(self, reason)
    }

    /// Ends the connection without a word to the server, which does not reach for it any more.
    func end() {
        isClosed = true
        watch?.cancel()
        watch = nil
        pages = nil
        current?.clientHasGone()
        current = nil
        output = []
        written = 0
    }
}
