package import EVBModel
internal import EVBWire
internal import LinuxSystem
internal import PacketSocket

/// A frame that a port has sent or received, and the port's view of it.
package struct CaptureRecord {
    /// In nanoseconds since 1970 (UTC).
    package let time: UInt64
    package let direction: CapturedFrame.Direction
    /// From the destination address on, with the VLAN tag that it bore, and without the check sequence.
    package let octets: [UInt8]
    /// Octets that it had on the wire; more than there are where it was cut.
    package let length: Int
    /// The port has left it.
    package let isIgnored: Bool
    /// Sentences, of at most 2 KiB in all.
    package let view: [String]

    /// What it takes of a ring.
    package var cost: Int { octets.count + view.reduce(64) { $0 + $1.utf8.count } }
}

/// Who captures at a port.
package protocol CaptureSink: AnyObject {
    /// Whether a frame would be kept. Where none would be, it is not even looked at.
    var hasRoom: Bool { get }
    /// Keeps a frame, or counts it as lost.
    func take(_ record: CaptureRecord)
    /// Counts a frame as lost.
    func lose()
    /// Is told what a person who captures should know, as a sentence without a stop.
    func note(_ text: String)
}

/// The captures at one port: hears each frame with the port's view of it. There is one while a client captures, and none else.
package final class FrameCapture {
    private weak var port: (any ManagedPort)?
    private var sinks: [any CaptureSink] = []
    /// What is sent while a frame is taken in: it comes behind that frame.
    private var answers: [CaptureRecord]?

    init(of port: any ManagedPort) { self.port = port }

    var isEmpty: Bool { sinks.isEmpty }

    func add(_ sink: any CaptureSink) { sinks.append(sink) }

    func remove(_ sink: any CaptureSink) { sinks.removeAll { $0 === sink } }

    /// Tells those who capture.
    func note(_ text: String) {
        for sink in sinks { sink.note(text) }
    }

    /// Gives a record to all. It was made because one has room.
    private func take(_ record: CaptureRecord) {
        for sink in sinks { sink.take(record) }
    }

    /// Whether a frame is to be looked at; it is lost for all otherwise.
    private var isWanted: Bool {
        if sinks.contains(where: \.hasRoom) { return true }
        for sink in sinks { sink.lose() }
        return false
    }

    /// A frame has been received.
    ///
    /// - Parameters:
    ///   - octets: the frame.
    ///   - arrival: how it came in.
    ///   - isStray: whether it does not belong to the port.
    ///   - process: has the port take the frame in.
    func received(
        _ octets: UnsafeRawBufferPointer, _ arrival: PacketSocket.Arrival?, isStray: Bool, _ process: () -> Void
    ) {
        guard let port, isWanted else { return process() }
        let view = FrameView(before: port)
        answers = []
        process()
        let sent = answers ?? []
        answers = nil
        let frame = Result { () throws(WireError) in try Frame(decoding: octets) }
        let header = FrameHeader(octets)
        var (lines, isIgnored): ([String], Bool)
        if isStray {
            (lines, isIgnored) = (view.stray(frame, header, arrival), true)
        } else {
            (lines, isIgnored) = view.received(frame, header)
        }
        let tag = arrival?.tag
        take(
            CaptureRecord(
                time: arrival.map(\.time).flatMap { $0 == 0 ? nil : $0 } ?? WallClock.now(), direction: .received,
                octets: Self.octets(octets, tag),
                length: max(arrival?.length ?? 0, octets.count) + (tag == nil ? 0 : 4), isIgnored: isIgnored,
                view: FrameWords.bounded(lines)))
        for record in sent { take(record) }
    }

    /// A frame as it was on the wire, with its tag.
    private static func octets(_ octets: UnsafeRawBufferPointer, _ tag: PacketSocket.Arrival.Tag?) -> [UInt8] {
        guard let tag, octets.count >= 12 else { return [UInt8](octets) }
        let words = [tag.etherType, tag.value].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
        return octets[..<12] + words + octets[12...]
    }

    /// A frame has been sent.
    ///
    /// - Parameters:
    ///   - frame: the frame.
    ///   - octets: the same as it was written.
    ///   - time: when it was handed to the kernel, in nanoseconds since 1970 (UTC).
    func sent(_ frame: Frame, _ octets: [UInt8], at time: UInt64) {
        guard let port, isWanted else { return }
        let record = CaptureRecord(
            time: time, direction: .sent, octets: octets, length: octets.count, isIgnored: false,
            view: FrameWords.bounded(FrameView.sent(frame, by: port)))
        if answers == nil { take(record) } else { answers?.append(record) }
    }
}
