import CLinux
import NetnsSupport

@testable import PacketSocket

/// A frame as the kernel shows it to a packet socket's filter: octets, and what it knows besides.
struct FilteredFrame: CustomStringConvertible {
    var octets: [UInt8]
    var packetType = UInt8(PACKET_MULTICAST)
    var interfaceIndex: Int32 = 1
    var isTagPresent = false
    var tag: UInt16 = 0
    var tagType: UInt16 = 0x8100

    var description: String {
        let head = octets.prefix(16).map { String($0, radix: 16) }.joined(separator: " ")
        return
            "\(head)..., \(octets.count) octets, type \(packetType), interface \(interfaceIndex), tag \(isTagPresent) \(tag)"
    }
}

/// Runs classic BPF programs as the kernel does, as far as packet filters go: loads, jumps forward, returns.
enum FilterMachine {
    /// A program that the kernel would refuse.
    struct Invalid: Error {}

    /// Octets of a frame that the program hands up; 0 where it drops the frame.
    static func run(_ program: [sock_filter], over frame: FilteredFrame) throws -> UInt32 {
        var accumulator: UInt32 = 0
        var place = 0
        while program.indices.contains(place) {
            let instruction = program[place]
            place += 1
            let code = Int32(instruction.code)
            switch code & 0x07 {
            case BPF_RET: return instruction.k
            case BPF_LD:
                guard code & 0xE0 == BPF_ABS else { throw Invalid() }
                // A load past the end drops the frame.
                guard let value = try load(code & 0x18, instruction.k, frame) else { return 0 }
                accumulator = value
            case BPF_JMP:
                if code & 0xF0 == BPF_JA {
                    place += Int(instruction.k)
                    continue
                }
                let holds: Bool
                switch code & 0xF0 {
                case BPF_JEQ: holds = accumulator == instruction.k
                case BPF_JSET: holds = accumulator & instruction.k != 0
                default: throw Invalid()
                }
                place += Int(holds ? instruction.jt : instruction.jf)
            default: throw Invalid()
            }
        }
        throw Invalid()
    }

    private static func load(_ size: Int32, _ offset: UInt32, _ frame: FilteredFrame) throws -> UInt32? {
        let signed = Int32(bitPattern: offset)
        guard signed >= 0 else {
            // The kernel reads all of what it knows besides as a whole, whatever size is said.
            switch signed - SKF_AD_OFF {
            case SKF_AD_PKTTYPE: return UInt32(frame.packetType)
            case SKF_AD_IFINDEX: return UInt32(bitPattern: frame.interfaceIndex)
            case SKF_AD_VLAN_TAG: return UInt32(frame.tag)
            case SKF_AD_VLAN_TPID: return UInt32(frame.tagType)
            case SKF_AD_VLAN_TAG_PRESENT: return frame.isTagPresent ? 1 : 0
            default: throw Invalid()
            }
        }
        let length = size == BPF_W ? 4 : size == BPF_H ? 2 : 1
        guard Int(signed) + length <= frame.octets.count else { return nil }
        return frame.octets[Int(signed)..<Int(signed) + length].reduce(0) { $0 << 8 | UInt32($1) }
    }
}

extension PacketFilter {
    /// Lets everything through, as if there were no filter.
    static var acceptingAll: PacketFilter {
        PacketFilter(raw: [sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: .max)])
    }
}
