import CNetlink
import Testing

@testable import Netlink

/// Messages about filters beside those of tc(8) of iproute2 6.1, of which these are the octets (recorded with strace). libnl says of
/// every nest that it is one, tc only of some; nothing else differs.
@Suite struct TrafficControlTests {
    private static let commands: [(String, LinkMessageOctets, String)] = [
        (
            "qdisc add dev up0 clsact", .discipline,
            "30000000 24000506 00000000 00000000 00000000 03000000 0000ffff f1ffffff 00000000 0b000100 636c7361 63740000"
        ),
        (
            "filter replace dev up0 ingress pref 3 handle 0x45560002 protocol all bpf bytecode '3,32 0 0 4294963248,21 0 0 0,6 0 0 0' skip_hw action drop",
            .put(
                TrafficFilter(
                    hook: .ingress, preference: 3, handle: 0x4556_0002,
                    match: .program([
                        FilterInstruction(32, 4_294_963_248), FilterInstruction(21, 0), FilterInstruction(6, 0),
                    ]),
                    action: .drop)),
            """
            8c000000 2c000504 00000000 00000000 00000000 03000000 02005645 f2ffffff 00030300 08000100 62706600 60000200
            30000100 2c000100 09000100 67616374 00000000 1c000280 18000200 00000000 00000000 02000000 00000000 00000000
            06000400 03000000 1c000500 20000000 30f0ffff 15000000 00000000 06000000 00000000 08000900 01000000
            """
        ),
        (
            "filter replace dev up0 egress pref 4 handle 0x45560014 protocol 802.1ad flower skip_hw vlan_id 20 action vlan modify id 30 protocol 802.1ad continue",
            .put(
                TrafficFilter(
                    hook: .egress, preference: 4, handle: 0x4556_0014, match: .serviceVLAN(20),
                    action: .setServiceVLAN(30))),
            """
            90000000 2c000504 00000000 00000000 00000000 03000000 14005645 f3ffffff 88a80400 0b000100 666c6f77 65720000
            60000200 06001700 14000000 44000300 40000100 09000100 766c616e 00000000 30000280 1c000200 00000000 00000000
            ffffffff 00000000 00000000 03000000 06000300 1e000000 06000400 88a80000 08001600 01000000 06000800 88a80000
            """
        ),
        (
            "filter replace dev up0 ingress pref 4 handle 0x45560000 protocol 802.1ad flower skip_hw vlan_id 0 action vlan pop continue",
            .put(
                TrafficFilter(
                    hook: .ingress, preference: 4, handle: 0x4556_0000, match: .serviceVLAN(0), action: .removeTag)),
            """
            80000000 2c000504 00000000 00000000 00000000 03000000 00005645 f2ffffff 88a80400 0b000100 666c6f77 65720000
            50000200 06001700 00000000 34000300 30000100 09000100 766c616e 00000000 20000280 1c000200 00000000 00000000
            ffffffff 00000000 00000000 01000000 08001600 01000000 06000800 88a80000
            """
        ),
        (
            "filter del dev up0 ingress pref 3 handle 0x45560002 protocol all bpf",
            .remove(
                TrafficFilter(hook: .ingress, preference: 3, handle: 0x4556_0002, match: .program([]), action: .drop)),
            "2c000000 2d000500 00000000 00000000 00000000 03000000 02005645 f2ffffff 00030300 08000100 62706600"
        ),
    ]

    private enum LinkMessageOctets {
        case discipline
        case put(TrafficFilter)
        case remove(TrafficFilter)

        func octets() -> [UInt8] {
            switch self {
            case .discipline:
                return Self.finish(TrafficControl.disciplineMessage(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, 3))
            case .put(let filter):
                if let message = TrafficControl.addition(of: filter, index: 3) { return Self.finish(message) }
                return []
            case .remove(let filter): return Self.finish(TrafficControl.removal(of: filter, index: 3))
            }
        }

        private static func finish(_ message: consuming LinkMessage) -> [UInt8] {
            guard let header = nlmsg_hdr(message.pointer) else { return [] }
            // As libnl adds them when it sends.
            header.pointee.nlmsg_flags |= UInt16(NLM_F_REQUEST | NLM_F_ACK)
            return Array(UnsafeRawBufferPointer(start: header, count: Int(header.pointee.nlmsg_len)))
        }
    }

    private static func octets(_ hex: String) -> [UInt8] {
        let digits = hex.filter { !$0.isWhitespace }
        return stride(from: 0, to: digits.count, by: 2).compactMap { start in
            let begin = digits.index(digits.startIndex, offsetBy: start)
            return UInt8(digits[begin...].prefix(2), radix: 16)
        }
    }

    @Test("SCH-105 filters and the discipline are asked for by the octets that tc sends")
    func asTc() {
        for (command, message, hex) in Self.commands {
            let (ours, theirs) = (message.octets(), Self.octets(hex))
            #expect(ours.count == theirs.count, "\(command)")
            for (position, pair) in zip(ours, theirs).enumerated() where pair.0 != pair.1 {
                let isNestFlag = position % 4 == 3 && pair.0 == pair.1 | 0x80
                #expect(isNestFlag, "\(command): octet \(position) is \(pair.0), of tc \(pair.1)")
            }
        }
    }

    @Test("SCH-105 what was put is read back as it was; another's filter is no filter of evbd's")
    func reading() {
        for (command, message, _) in Self.commands {
            guard case .put(let filter) = message else { continue }
            var octets = message.octets()
            octets.withUnsafeMutableBytes { bytes in
                guard let header = bytes.baseAddress?.assumingMemoryBound(to: nlmsghdr.self) else { return }
                #expect(TrafficFilter(message: header, filter.hook) == filter, "\(command)")
                // Cut short anywhere, it is read without harm.
                for length in stride(from: bytes.count - 4, to: 16, by: -4) {
                    header.pointee.nlmsg_len = UInt32(length)
                    #expect(TrafficFilter(message: header, filter.hook) != filter, "\(command), \(length) octets")
                }
            }
        }
    }
}
