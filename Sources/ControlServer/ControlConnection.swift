// One client of the control socket: its octets in and out, and the one call of its that is in hand.
//
// Calls are handled one after another, each when its client has its turn. Reading stops while more has come than can be
// handled, writing is queued up to a bound, and whatever breaks a rule costs this client its connection and nobody else
// anything.

internal import EVBControl
internal import EVBModel
internal import EVBPorts
internal import EventLoop
internal import JSON
internal import LinuxSystem
internal import Logging

package final class ControlConnection {
    /// How many items are made JSON in one turn: a quarter of a millisecond's work, where they are VSIs.
    private static let itemsPerPage = 64
    /// Octets that a page has about.
    private static let pageOctets = 32 << 10
    /// How many items are looked at in one turn, those among them that are not listed.
    private static let itemsPerLook = 512
    /// For how many nanoseconds items are looked at in one turn.
    private static let pageTime: UInt64 = 250_000
    /// Below how many waiting octets the next page is made.
    private static let lowWater = 64 << 10
    /// For how many nanoseconds a client may leave what it was told unread before others may have its place.
    private static let patience: UInt64 = 1_000_000_000

    let loop: EventLoop
    let peer: PeerCredentials
    /// The client, as the log and histories name it. What it is called is asked once: later its number may be another process's.
    private(set) lazy var requester = Requester.client(pid: peer.pid, uid: peer.uid)
    private let descriptor: FileDescriptor
    private unowned let server: ControlServer
    private let queueLimit: Int
    private var watch: EventLoop.Watch?
    private var decoder: VarlinkDecoder
    private var output: [UInt8] = []
    private var written = 0
    private var current: ControlReplyHandle?
    private var pages: Pages?
    private var source: Source?
    private var inputHasEnded = false
    /// Nothing that is told to it arrives.
    private var hasHungUp = false
    private var isWorking = false
    private var flushIsDue = false
    /// Whether what has come may have a call in it.
    private var mayHaveCall = false
    private var lastActive: UInt64
    private(set) var isClosed = false
    /// Whether it waits for its turn.
    var isQueued = false
    /// How many octets wait here, as the server knows.
    private(set) var held = 0

    private final class Pages {
        let items: any ListedItems
        /// What the list is called in a reply.
        let key: StaticString
        let more: Bool
        let oneway: Bool
        let handle: ControlReplyHandle
        /// Without `more`: the items so far, as JSON with commas between them.
        var collected: [UInt8] = []

        init(_ items: any ListedItems, key: StaticString, more: Bool, oneway: Bool, handle: ControlReplyHandle) {
            (self.items, self.key, self.more, self.oneway, self.handle) = (items, key, more, oneway, handle)
        }
    }

    /// What gives messages one by one.
    private struct Source {
        let next: () -> [UInt8]?
        /// Whether it may have one.
        var mayHaveMore = true
        let handle: ControlReplyHandle
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
        lastActive = loop.now()
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
        settle()
    }

    private func read() {
        do {
            guard let count = try readInput() else { return }
            inputHasEnded = count == 0
            mayHaveCall = true
            lastActive = loop.now()
        } catch {
            close(.gone)
        }
    }

    /// Adds what is there to what waits to be decoded, as far as the server has room for it.
    ///
    /// - Returns: how many octets that was, 0 at the end of the stream, or nil where reading would block.
    private func readInput() throws(SystemError) -> Int? {
        guard let count = try UnixSocket.read(descriptor.rawValue, into: server.input.octets) else { return nil }
        decoder.append(UnsafeRawBufferPointer(rebasing: server.input.octets[..<count]))
        return count
    }

    /// The client has closed its end: nothing can be told to it, and what it asked before is still done, as it asked.
    private func takeLastWords() {
        hasHungUp = true
        inputHasEnded = true
        watch?.cancel()
        watch = nil
        current?.clientHasGone()
        current = nil
        pages = nil
        source = nil
        output = []
        written = 0
        while decoder.count <= server.limits.messageOctets, let count = try? readInput(), count > 0 {}
        mayHaveCall = decoder.count > 0
    }

    /// After whatever has happened: has its turn come for if there is something to do, ends if there will be nothing more.
    private func settle() {
        guard !isClosed, !isWorking else { return }
        account()
        guard !isClosed else { return }
        if hasWork {
            server.queue(self)
        } else if inputHasEnded, current == nil, waiting == 0 {
            // After the half of a connection that brings calls has ended, the other half lives as long as there is an answer.
            return close(hasHungUp ? .gone : .done)
        }
        var interest: EventLoop.Readiness = []
        if !inputHasEnded, !decoder.isFull { interest.insert(.readable) }
        if waiting > 0 { interest.insert(.writable) }
        watch?.update(interest)
    }

    // MARK: Its place

    /// How it uses its place.
    func place(at now: UInt64) -> ControlPlace {
        var use = current == nil && !hasWork ? ControlPlace.Use.idle : .busy
        if waiting > 0 { use = now &- lastActive > Self.patience ? .stuck : .busy }
        if hasHungUp { use = .stuck }
        return ControlPlace(user: peer.uid, use: use, lastActive: lastActive)
    }

    /// Closes, because somebody else gets the place.
    func giveWay() { close(.displaced) }

    /// Closes, because too much waits for it.
    func drop() {
        guard !isClosed else { return }
        server.log(
            .notice, "control client does not read and is dropped", ["pid": "\(peer.pid)", "queued": "\(waiting)"])
        close(.slow)
    }

    private func account() {
        let now = isClosed ? 0 : waiting + decoder.count + (pages?.collected.count ?? 0)
        guard now != held else { return }
        let change = now - held
        held = now
        server.hold(change)
    }

    // MARK: Work

    private var hasWork: Bool {
        if let source { return source.mayHaveMore && waiting < Self.lowWater }
        return pages != nil ? waiting < Self.lowWater : current == nil && mayHaveCall
    }

    /// Does the next piece of what the client wants: a page of a list, or a call.
    func work() {
        guard !isClosed, hasWork else { return settle() }
        isWorking = true
        if source != nil { drawSource() } else if pages != nil { page() } else { handleNextCall() }
        isWorking = false
        settle()
    }

    private func handleNextCall() {
        do {
            guard let message = try decoder.next() else {
                mayHaveCall = false
                return
            }
            mayHaveCall = decoder.count > 0
            // A client that has gone is told nothing; what it wanted changed is changed.
            if let call = PlainCall(message: message) {
                guard !hasHungUp || call != .getStatus else { return }
                return take(ControlReplyHandle(connection: self, oneway: false, more: false)) {
                    server.handle(call, from: peer, reply: $0)
                }
            }
            let call = try VarlinkCall(message: message)
            guard !hasHungUp || ControlMethod(qualifiedName: call.method)?.changesSomething == true else { return }
            take(ControlReplyHandle(connection: self, oneway: call.oneway, more: call.more)) {
                server.handle(call, from: peer, reply: $0)
            }
        } catch {
            server.log(.debug, "control client broke the protocol", ["error": "\(error)"])
            close(hasHungUp ? .gone : .broken)
        }
    }

    /// Has a call done, which is the one in hand until it is answered.
    private func take(_ handle: ControlReplyHandle, _ call: (ControlReplyHandle) -> Void) {
        current = handle
        call(handle)
        guard hasHungUp else { return }
        handle.clientHasGone()
        current = nil
        pages = nil
    }

    func finish(_ handle: ControlReplyHandle) {
        guard current === handle else { return }
        current = nil
        source = nil
        lastActive = loop.now()
        // In its turn: this may be the middle of anything.
        if !isWorking, !isClosed, hasWork || inputHasEnded { server.queue(self) }
    }

    // MARK: Output

    /// Sends a message as soon as the client reads.
    ///
    /// - Parameters:
    ///   - octets: the message.
    ///   - others: whether others are likely to follow at once, so that it goes with them.
    /// - Returns: false if the client is gone, or is dropped now because too much waits for it.
    @discardableResult
    func enqueue(_ octets: [UInt8], before others: Bool = false) -> Bool {
        enqueue(before: others) { $0.append(contentsOf: octets) }
    }

    /// Sends a message that has been written, as soon as the client reads.
    func enqueue(_ message: borrowing JSONWriter) -> Bool {
        enqueue(before: false) { output in message.withOctets { output.append(contentsOf: $0) } }
    }

    private func enqueue(before others: Bool, _ append: (inout [UInt8]) -> Void) -> Bool {
        guard !isClosed else { return false }
        // It has hung up, and what it asked for is done all the same.
        guard !hasHungUp else { return true }
        if waiting == 0 { lastActive = loop.now() }
        append(&output)
        // What the kernel takes at once is not queued: only a client that does not read comes near the bound. A client that has sent
        // more calls gets the answers of a turn together.
        let isFollowed = others || isWorking && mayHaveCall
        if !isFollowed || waiting > Self.lowWater { flush() } else { flushLater() }
        guard !isClosed else { return false }
        guard waiting <= queueLimit else {
            drop()
            return false
        }
        settle()
        return !isClosed
    }

    private func flushLater() {
        guard !flushIsDue else { return }
        flushIsDue = true
        loop.later { [weak self] in
            self?.flushIsDue = false
            self?.flush()
            self?.settle()
        }
    }

    private func flush() {
        while waiting > 0, !isClosed {
            do {
                guard let count = try UnixSocket.write(descriptor.rawValue, output[written...]) else { break }
                written += count
                lastActive = loop.now()
            } catch {
                // The client may have closed after a last call; what it wrote is taken when the hangup is reported.
                output.removeAll()
                written = 0
                return
            }
        }
        if written == output.count {
            output.removeAll(keepingCapacity: output.capacity <= Self.lowWater)
            written = 0
        } else if written > Self.lowWater {
            output.removeFirst(written)
            written = 0
        }
    }

    // MARK: Pages

    func startPages(
        _ key: StaticString, _ items: any ListedItems, more: Bool, oneway: Bool, of handle: ControlReplyHandle
    ) {
        guard current === handle, !isClosed else { return }
        pages = Pages(items, key: key, more: more, oneway: oneway, handle: handle)
        if isWorking { page() } else { server.queue(self) }
    }

    private func page() {
        guard let pages, !isClosed, waiting < Self.lowWater else { return }
        // With `more` each page is a message, or else its items wait for the others.
        var page = JSONWriter(reserving: Self.pageOctets)
        if pages.more { VarlinkReply.beginList(pages.key, in: &page) }
        let items = write(pages.items, to: &page)
        let isLast = !pages.items.hasMore
        guard items > 0 || isLast else { return }
        if isLast { self.pages = nil }
        if !pages.oneway {
            if pages.more {
                VarlinkReply.endList(in: &page, continues: !isLast)
                guard enqueue(page) else { return }
            } else {
                guard collect(page, isEmpty: items == 0, in: pages) else { return }
                if isLast, !enqueueCollected(pages) { return }
            }
        }
        if isLast { finish(pages.handle) }
    }

    /// Keeps the items of a page until all have come; false where they are too many for one reply.
    private func collect(_ page: borrowing JSONWriter, isEmpty: Bool, in pages: Pages) -> Bool {
        if !pages.collected.isEmpty, !isEmpty { pages.collected.append(UInt8(ascii: ",")) }
        page.withOctets { pages.collected.append(contentsOf: $0) }
        guard pages.collected.count > queueLimit / 2 else { return true }
        self.pages = nil
        refuseLongList(pages.handle)
        return false
    }

    private func enqueueCollected(_ pages: Pages) -> Bool {
        var whole = JSONWriter(reserving: pages.collected.count + 64)
        VarlinkReply.beginList(pages.key, in: &whole)
        whole.value(octets: pages.collected)
        VarlinkReply.endList(in: &whole, continues: false)
        return enqueue(whole)
    }

    /// Writes as many items as one turn has time for; gives how many.
    private func write(_ list: any ListedItems, to page: inout JSONWriter) -> Int {
        var (items, looks) = (0, 0)
        let began = loop.now()
        while items < Self.itemsPerPage, looks < Self.itemsPerLook, list.hasMore, loop.now() &- began < Self.pageTime {
            if page.item({ list.writeNext(to: &$0) }) { items += 1 }
            looks += 1
        }
        return items
    }

    // MARK: Sources

    func startSource(_ next: @escaping () -> [UInt8]?, of handle: ControlReplyHandle) {
        guard current === handle, !isClosed else { return }
        source = Source(next: next, handle: handle)
        if !isWorking { server.queue(self) }
    }

    func sourceHasMore(_ handle: ControlReplyHandle) {
        guard source?.handle === handle, source?.mayHaveMore == false else { return }
        source?.mayHaveMore = true
        if !isWorking, hasWork { server.queue(self) }
    }

    /// Sends what the source has, for as long as a page takes.
    private func drawSource() {
        let began = loop.now()
        for _ in 0..<Self.itemsPerPage {
            guard let source, !isClosed, waiting < Self.lowWater, loop.now() &- began < Self.pageTime else { return }
            guard let message = source.next() else {
                self.source?.mayHaveMore = false
                return
            }
            enqueue(message, before: true)
        }
    }

    private func refuseLongList(_ handle: ControlReplyHandle) {
        let error = ControlError(
            .busy(limit: "octets in one reply"), message: "the list does not fit in one reply",
            hint: "call with \"more\" to get several replies, or name a port or a state")
        if enqueue(VarlinkReply(parameters: error.parameters, error: error.name).octets) { finish(handle) }
    }

    // MARK: End

    /// Ends the connection; its server forgets it.
    private func close(_ reason: ControlServer.End) {
        guard !isClosed else { return }
        end()
        account()
        server.forget(self, reason)
    }

    /// Ends the connection without a word to the server, which does not reach for it any more.
    func end() {
        // Answers that were to go with others go now, as far as the client reads.
        if flushIsDue { flush() }
        isClosed = true
        watch?.cancel()
        watch = nil
        pages = nil
        source = nil
        current?.clientHasGone()
        current = nil
        output = []
        written = 0
        decoder = VarlinkDecoder(limit: 1)
    }
}
