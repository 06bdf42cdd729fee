import ControlSamples
import EVBControl
import EVBModel
import Glibc
import JSON
import TerminalText
import Testing

@testable import evbctl

/// Nothing that evbctl or the control protocol prints can move a cursor, change a colour, reorder text or hide in it.
struct TerminalSafetyTests {
    /// Scalars of every class that a terminal or the bidirectional algorithm obeys.
    static let obeyed: [ClosedRange<UInt32>] = [
        0x00...0x1F, 0x7F...0x9F, 0xAD...0xAD, 0x061C...0x061C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F,
        0xFEFF...0xFEFF, 0xFFF9...0xFFFB, 0xE0001...0xE007F,
    ]

    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    /// What of a text a terminal obeys; line ends and the colours of evbctl itself left out.
    private static func dangers(in text: String) -> [String] {
        var plain = text
        for style in ["0", "1", "2", "31", "32", "33"] {
            plain = plain.split(separator: "\u{1B}[\(style)m", omittingEmptySubsequences: false).joined()
        }
        return plain.unicodeScalars.filter { scalar in
            scalar != "\n" && obeyed.contains { $0.contains(scalar.value) }
        }.map { $0.escaped(asASCII: true) }
    }

    @Test("SEC-101 no control, bidirectional or invisible character is shown as it is, nor in JSON")
    func everyScalarOfTheClasses() throws {
        for value in Self.obeyed.joined() {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = "a\(scalar)b"
            #expect(Self.dangers(in: printable(text)).isEmpty && printable(text).contains("\\"))
            let json = JSONValue.string(text).compact
            #expect(Self.dangers(in: json).isEmpty)
            #expect(try JSONValue(parsing: Array(json.utf8)) == .string(text))
        }
        for text in ["vé", "日本", "a b", "Ω~", "ß\u{301}"] { #expect(printable(text) == text) }
    }

    @Test("SEC-101 random texts come out of JSON as they went in, and safe")
    func randomTexts() throws {
        let seed = getenv("EVBD_SEED").flatMap { UInt64(String(cString: $0)) } ?? UInt64.random(in: .min ... .max)
        print("EVBD_SEED=\(seed) repeats the random texts")
        var random = Generator(state: seed)
        let pool = Array(Self.obeyed.joined()) + Array(0x20...0x24F) + Array(0x1F600...0x1F610)
        for _ in 0..<300 {
            var text = ""
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                if let scalar = Unicode.Scalar(pool.randomElement(using: &random) ?? 0) {
                    text.unicodeScalars.append(scalar)
                }
            }
            let coded = JSONCoding.encode(["text": text])
            #expect(Self.dangers(in: String(decoding: coded, as: UTF8.self)).isEmpty, "seed \(seed)")
            #expect(try JSONValue(parsing: coded)["text"] == .string(text), "seed \(seed)")
            #expect(Self.dangers(in: printable(text)).isEmpty, "seed \(seed)")
        }
    }

    @Test(
        "SEC-102 tables and messages of evbctl are safe whatever a daemon or a neighbour says",
        arguments: [false, true])
    func presentations(colour: Bool) {
        let presenter = Presenter(colour: colour)
        let hostile = "x\u{1B}[31m\u{9B}2J\u{202E}\u{2066}\u{200B}\u{2028}\ny"
        var port = Samples.fullPort
        port.interface = hostile
        port.peer = PeerStatus(chassisID: hostile, portID: hostile, evbMode: hostile)
        port.misbehaviour = Misbehaviour(vsiID: hostile)
        var details = Samples.details
        details.port = port
        details.problems = [
            PortProblem(
                kind: .vsiContest, vsiID: hostile, otherPort: hostile, otherVSIID: hostile, address: hostile,
                message: hostile, hint: hostile)
        ]
        details.lldpNeighbour?.systemName = hostile
        details.lldpNeighbour?.systemDescription = hostile
        details.lldpNeighbour?.portDescription = hostile
        details.lldpNeighbour?.chassisID = hostile
        var vsi = Samples.fullVSI
        vsi.managerID = hostile
        vsi.link?.name = hostile
        vsi.port = hostile
        vsi.vsiID = hostile
        vsi.label = hostile
        var event = Samples.event
        event.message = hostile
        let errors: [ControlClientError] = [
            .garbled(socket: hostile, detail: hostile), .closed(socket: hostile),
            .misunderstood(error: hostile, detail: hostile),
            .refused(ControlError(.noSuchPort(port: hostile), message: hostile, hint: hostile)),
        ]
        let shown =
            [
                presenter.ports([port]), presenter.port(details),
                presenter.vsis([VSIRow(vsi: vsi, domain: hostile)], TableView(isWide: true)), presenter.outcome(vsi),
                presenter.vsi(VSIDetails(vsi: vsi, vsidb: Samples.vsidb)), presenter.event(event),
                presenter.misbehaviour(port),
                presenter.statistics([
                    StatisticsReport(interface: hostile, counters: [hostile: 1], counterDiscontinuity: 0)
                ]),
            ] + errors.map { Failure($0).text }
        for text in shown { #expect(Self.dangers(in: text).isEmpty, "\(text.debugDescription)") }
    }

    @Test(
        "SEC-103 names of interfaces: the kernel's rule, no pattern of it, nothing that a terminal does not show",
        arguments: [
            ("eth0", true), ("vm-1.20", true), ("x;y", true), ("#z", true), ("vé", true), ("abcdefghijklmno", true),
            ("", false), (".", false), ("..", false), ("abcdefghijklmnop", false), ("vm%d", false), ("%", false),
            ("a%", false), ("a/b", false), ("a:b", false), ("a b", false), ("a\tb", false), ("a\u{1B}[31mb", false),
            ("\u{202E}evm", false), ("a\u{9B}b", false), ("a\u{7F}", false), ("a\u{200B}b", false), ("\u{A0}", false),
            ("à", false), ("a\u{3000}b", false), ("éééééééé", false), ("vf:3", false),
        ] as [(String, Bool)])
    func names(name: String, isGood: Bool) {
        #expect((InterfaceName.problem(with: name) == nil) == isGood)
        let link = InterfaceName.problem(withLink: name)
        #expect((link == nil) == (isGood || name == "vf:3"))
        for bad in ["vf:", "vf:x", "vf:3%d"] { #expect(InterfaceName.problem(withLink: bad) != nil) }
    }
}
