internal import EVBProtocol
internal import EVBTime
internal import EVBWire

/// The last that happened on an uplink. Values are kept, and become text only for a reader.
struct ChannelTrace {
    enum Entry {
        case sent(CDCPTLV.Role, SVID, Frame)
        case lost(CDCPTLV.Role, SVID)
        case arrived(CDCPTLV.Role, SVID, SCID?, Frame)
        case channel(CDCPTLV.Role, SChannelEvent)
        case fault(CDCPTLV.Role, CDCPFault)
        case port(SCID, Trace.Entry)
        case peer(CDCPTLV.Role, MACAddress?)
        case note(StaticString)
        case station(CDCPStation.Configuration)
        case bridge(CDCPBridge.Configuration)
        case about(StaticString, SCID)
    }

    static let entriesMax = 240

    private var entries: [(Instant, Entry)] = []
    private var next = 0

    mutating func add(_ entry: Entry, at now: Instant) {
        if entries.count < Self.entriesMax {
            entries.append((now, entry))
        } else {
            entries[next] = (now, entry)
            next = (next + 1) % Self.entriesMax
        }
    }

    /// What is remembered, oldest first.
    var lines: [String] { (entries[next...] + entries[..<next]).map(Self.line) }

    static func line(_ time: Instant, _ entry: Entry) -> String { "\(Trace.text(time))  \(text(entry))" }

    private static func letter(_ role: CDCPTLV.Role) -> String { role == .bridge ? "B" : "S" }

    private static func tag(_ svid: SVID) -> String { svid == .default ? "" : " S\(svid)" }

    private static func text(_ entry: Entry) -> String {
        switch entry {
        case .sent(let role, let svid, let frame):
            "\(letter(role)) >\(tag(svid)) \(Trace.text(frame, role == .bridge))"
        case .lost(let role, let svid): "\(letter(role)) x\(tag(svid))"
        case .arrived(let role, let svid, let scid, let frame):
            "> \(letter(role))\(tag(svid))\(scid.map { " channel \($0)" } ?? (svid == .default ? "" : " no channel"))"
                + " \(Trace.text(frame, role == .station))"
        case .channel(let role, let event): "\(letter(role))   channel \(event.scid) \(event.change)"
        case .fault(let role, let fault): "\(letter(role))   fault \(fault)"
        case .port(let scid, let entry): "  channel \(scid): \(Trace.text(entry))"
        case .peer(let role, let address): "\(letter(role))   speaks with \(address.map { "\($0)" } ?? "no neighbour")"
        case .note(let note): "    -- \(note)"
        case .about(let note, let scid): "    -- \(note) \(scid)"
        case .station(let settings):
            "S   configured: ChnCap \(settings.capacity) "
                + settings.wanted.sorted { $0.key < $1.key }.map { "(\($0),\($1))" }.joined(separator: " ")
        case .bridge(let settings): "B   configured: ChnCap \(settings.capacity) pool \(settings.svids.ranges)"
        }
    }
}
