internal import EVBControl
internal import EVBModel
internal import EVBPorts
internal import EVBWire
internal import JSON

// Captures of clients: what a port sends and receives, with its view.

extension DaemonService {
    /// Captures at a time, of all clients.
    static let capturesMax = 8

    func capture(_ request: CaptureRequest, _ reply: ControlReplyHandle) throws(ControlError) {
        let port = try port(request.port).common
        guard captures.count < Self.capturesMax else {
            throw ControlError(
                .busy(limit: "captures"),
                message: "\(Self.capturesMax) captures are being made, and evbd makes no more at a time",
                hint: "end another one; ss -xp shows who is connected")
        }
        let session = CaptureSession(port, reply)
        guard session.begin() else {
            // The client wants no reply, and so no capture.
            reply.fail(ControlError(.invalidArgument(argument: "oneway")))
            return
        }
        let key = ObjectIdentifier(session)
        captures[key] = session
        session.onEnd = { [weak self] in self?.captures[key] = nil }
    }

    /// A port that left is closed: what was captured there ends.
    package func portClosed(_ name: String) {
        let successor = directory.port(name)?.common
        for session in captures.values where session.name == name {
            if session.port == nil || session.port !== successor { session.portHasLeft() }
        }
    }
}

/// One client that captures at one port. Frames wait for it in a ring; it never keeps the loop or other clients waiting.
final class CaptureSession: CaptureSink {
    /// Frames that wait for the client, and their octets: some seconds of a station with thousands of VSIs.
    static let (framesMax, octetsMax) = (4096, 1 << 20)

    private enum Element {
        case frame(CaptureRecord)
        case notice(String)
    }

    let name: String
    private(set) weak var port: (any ManagedPort)?
    private let reply: ControlReplyHandle
    private var ring = CaptureRing<Element>(countMax: framesMax, octetsMax: octetsMax)
    private var start: CaptureStart?
    private var lost: UInt64 = 0
    /// What the kernel had dropped at the port when the capture began.
    private let dropsBefore: UInt64
    private var hasLeft = false
    /// Called when it is over.
    var onEnd: (() -> Void)?

    init(_ port: any ManagedPort, _ reply: ControlReplyHandle) {
        name = port.name
        self.port = port
        self.reply = reply
        start = CaptureStart(
            interface: port.name, role: port.status(VSICounts()).role,
            address: port.transport.address.map { "\($0)" }, version: Release.version)
        dropsBefore = port.transport.kernelDrops
    }

    /// Begins; false where the client wants no reply.
    func begin() -> Bool {
        guard let port, reply.stream({ [weak self] in self?.next() }) else { return false }
        port.transport.begin(self, of: port)
        if port.interfaceIndex == nil { note("the interface \(name) is not there; evbd waits for it") }
        reply.onGone = { [weak self] in self?.end() }
        return true
    }

    private func end() {
        port?.transport.end(self)
        port = nil
        onEnd?()
        onEnd = nil
    }

    /// The port is given up; the client is told once it has what was captured.
    func portHasLeft() {
        port?.transport.end(self)
        port = nil
        hasLeft = true
        reply.sourceHasMore()
    }

    // MARK: What the port gives

    var hasRoom: Bool { ring.hasRoom }

    func take(_ record: CaptureRecord) { append(.frame(record), octets: record.cost) }

    func lose() {
        ring.lose()
        reply.sourceHasMore()
    }

    func note(_ text: String) { append(.notice(text), octets: text.utf8.count) }

    private func append(_ element: Element, octets: Int) {
        ring.append(element, octets: octets)
        reply.sourceHasMore()
    }

    // MARK: What the client gets

    private func next() -> [UInt8]? {
        if let start {
            self.start = nil
            return message(CaptureEvent(start: start))
        }
        if let entry = ring.popFirst() {
            lost &+= entry.lostBefore
            switch entry.element {
            case .notice(let text): return message(CaptureEvent(notice: text))
            case .frame(let record): return message(CaptureEvent(frame: CapturedFrame(record)))
            }
        }
        let behind = ring.takeLost()
        if behind > 0 {
            lost &+= behind
            return message(CaptureEvent())
        }
        guard hasLeft else { return nil }
        onEnd?()
        onEnd = nil
        reply.fail(
            ControlError(
                .noSuchPort(port: name),
                message: "\(name) is no port of evbd any more, or another one: evbd was reloaded",
                hint: "see evbctl port list and the log of evbd; what was captured before is whole"))
        return nil
    }

    private func message(_ event: CaptureEvent) -> [UInt8] {
        var event = event
        event.lost = Int(clamping: lost)
        event.dropped = Int(clamping: (port?.transport.kernelDrops ?? dropsBefore) &- dropsBefore)
        return VarlinkReply.octets(parameters: JSONCoding.encode(["event": event]), continues: true)
    }
}

extension CapturedFrame {
    fileprivate init(_ record: CaptureRecord) {
        self.init(
            timeNanoseconds: Int(clamping: record.time), direction: record.direction,
            octets: hexadecimal(record.octets),
            length: record.length, ignored: record.isIgnored, view: record.view)
    }
}
