package import EVBModel
package import EVBProtocol
internal import EVBWire

extension SecondSpeaker {
    /// What is wrong, for people.
    package var message: String {
        let name = [systemName, systemDescription].compactMap(\.self).first.map { " (\"\(Self.shown($0))\")" } ?? ""
        return "another program\(name) speaks LLDP as chassis \(chassisID.text(isChassis: true)), port "
            + "\(portID.text(isChassis: false)), which is the neighbour's identity, and without its EVB TLV"
    }

    /// What to do about it.
    package var hint: String { "give one of the two another port ID or chassis ID, or end that program on this link" }

    package var problem: PortProblem { PortProblem(kind: .secondLLDPSpeaker, message: message, hint: hint) }

    /// A text of a stranger's, cut short, with everything that a terminal might obey replaced.
    private static func shown(_ octets: [UInt8]) -> String {
        let shown = octets.prefix(60).map { (0x20...0x7E).contains($0) && $0 != 0x22 ? $0 : UInt8(ascii: "?") }
        return String(decoding: shown, as: UTF8.self) + (octets.count > 60 ? "..." : "")
    }
}
