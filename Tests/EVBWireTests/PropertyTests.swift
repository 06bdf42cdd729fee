import EVBWire
import Glibc
import Testing

/// What holds for all octets. A trap ends the test run, which is how these tests find one.
@Suite("Properties")
struct PropertyTests {
    /// Reads a frame; what it reads must be a fixed point: written and read again it is the same.
    @discardableResult
    static func readFrame(_ octets: [UInt8], _ note: Comment) -> Frame? {
        guard let frame = try? Frame(decoding: octets) else { return nil }
        let again = frame.encoded(padded: false)
        guard let second = try? Frame(decoding: again) else {
            Issue.record("what was read cannot be read again: \(hex(octets)); \(note)")
            return nil
        }
        #expect(second == frame, note)
        #expect(second.encoded(padded: false) == again, note)
        #expect(frame.encoded() == again + zeros(max(0, Frame.lengthMin - again.count)), note)
        if let ecpdu = frame.ecpdu { readVDPDU(ecpdu.payload, note) }
        if let ecpdu = frame.draftECPDU { readDraftVDPDU(ecpdu.payload, note) }
        describe(frame)
        return frame
    }

    /// Reads a VDPDU; see ``readFrame(_:_:)``.
    @discardableResult
    static func readVDPDU(_ octets: [UInt8], _ note: Comment) -> VDPDU.Decoded? {
        guard let decoded = try? VDPDU.decode(octets) else { return nil }
        let again = decoded.pdu.encoded()
        guard let second = try? VDPDU.decode(again) else {
            Issue.record("what was read cannot be read again: \(hex(octets)); \(note)")
            return nil
        }
        #expect(second.pdu == decoded.pdu, note)
        #expect(second.rejected.isEmpty, note)
        #expect(second.pdu.encoded() == again, note)
        for vsi in decoded.pdu.associations {
            #expect(vsi.vsiID.description.utf8.allSatisfy { (0x21...0x7E).contains($0) }, note)
        }
        #expect(decoded.pdu.managerID.description.utf8.allSatisfy { (0x21...0x7E).contains($0) }, note)
        return decoded
    }

    /// Makes every text that a log or a client would.
    static func describe(_ frame: Frame) {
        guard let lldpdu = frame.lldpdu else { return }
        let texts = [lldpdu.chassisID.text(isChassis: true), lldpdu.portID.text(isChassis: false)]
        #expect(texts.allSatisfy { $0.utf8.allSatisfy { (0x20...0x7E).contains($0) } })
        #expect(lldpdu.evbTLVs.count <= lldpdu.optional.count)
        _ = lldpdu.carriesDraftEVB
    }

    // MARK: Valid values

    @Test("Random frames come back as they went")
    func frames() {
        Cases.run("frames") { random, note in
            let frame = random.frame()
            #expect(Self.readFrame(frame.encoded(padded: false), note) == frame, note)
        }
    }

    @Test("Random frames that are padded come back with zeros behind an ECP request and as they went otherwise")
    func paddedFrames() throws {
        try Cases.run("paddedFrames") { random, note in
            let frame = random.frame()
            let octets = frame.encoded()
            #expect(octets.count >= Frame.lengthMin, note)
            let read = try #require(Self.readFrame(octets, note))
            if let sent = frame.ecpdu, let received = read.ecpdu, sent.operation == .request {
                #expect(received.payload == sent.payload + zeros(max(0, 42 - sent.payload.count)), note)
                #expect(received.sequence == sent.sequence && received.subtype == sent.subtype, note)
            } else if let sent = frame.draftECPDU, let received = read.draftECPDU {
                // The draft's acknowledgement has zeros behind its header, so that those of the padding are kept too.
                #expect(received.payload == sent.payload + zeros(max(0, 37 - sent.payload.count)), note)
                #expect(received.sequence == sent.sequence && received.operation == sent.operation, note)
            } else {
                #expect(read == frame, note)
            }
        }
    }

    @Test("Random VDPDUs come back as they went, and are as long as they say")
    func vdpdus() throws {
        try Cases.run("vdpdus") { random, note in
            let pdu = random.vdpdu()
            let octets = pdu.encoded()
            let decoded = try #require(Self.readVDPDU(octets, note))
            #expect(decoded.pdu == pdu, note)
            #expect(decoded.rejected.isEmpty, note)
            let length = pdu.associations.reduce(VDPDU.overhead - (pdu.hasEnd ? 0 : 2)) { $0 + $1.encodedLength }
            #expect(length == octets.count, note)
        }
    }

    @Test("Random texts are read as they are written")
    func texts() {
        Cases.run("texts") { random, note in
            let address = MACAddress(truncating: random.next())
            #expect(MACAddress(address.description) == address, note)
            let groups = [random.next(), random.next()].map { random.flag() ? $0 : $0 & 0xFFFF_0000_0000_FFFF }
            let octets: [UInt64] = [0, 0xFFFF_0000_0000 | UInt64(random.number(UInt32.self))]
            for id in [
                VSIID(format: .ipv6, high: groups[0], low: groups[1]), VSIID(format: .ipv4, high: 0, low: octets[1]),
                VSIID(format: .mac, high: 0, low: address.rawValue),
                VSIID(format: .uuid, high: groups[1], low: groups[0]),
                VSIID(format: .local, high: groups[0], low: groups[1]),
            ] {
                #expect(VSIID(id.description) == id, note)
            }
        }
    }

    // MARK: Wrong octets

    @Test(
        "Of a cut-off LLDP frame all is refused but at the end of a TLV behind the mandatory ones",
        arguments: Golden.frames)
    func truncatedFrames(_ golden: GoldenFrame) throws {
        let header = Frame.headerLength
        let whole = golden.octets
        let ends = boundaries(Array(whole.dropFirst(header))).map { $0 + header }
        for count in 0...whole.count {
            let octets = Array(whole.prefix(count))
            let frame = Self.readFrame(octets, "the first \(count) octets of \(golden.name)")
            let isReadable =
                golden.frame.lldpdu == nil
                ? count >= header + (golden.frame.ecpdu == nil ? DraftECPDU.headerLength : ECPDU.headerLength)
                : count >= (ends.last ?? 0) || ends.dropFirst(2).contains(count)
            #expect((frame != nil) == isReadable, "the first \(count) octets of \(golden.name)")
            if !isReadable {
                guard case .truncated? = refusal(of: octets) else {
                    Issue.record("the first \(count) octets of \(golden.name) are refused for another reason")
                    continue
                }
            }
        }
    }

    @Test("VDP-32 of a cut-off VDPDU all that is whole is kept", arguments: GoldenVDPDU.all)
    func truncatedVDPDUs(_ golden: GoldenVDPDU) throws {
        let whole = golden.octets
        let ends = boundaries(whole)
        for count in 0...whole.count {
            let note: Comment = "the first \(count) octets of \(golden.name)"
            let decoded = Self.readVDPDU(Array(whole.prefix(count)), note)
            guard count >= ends[0] else {
                #expect(decoded == nil, note)
                continue
            }
            let starts = [0] + ends.filter { $0 < count || $0 == count }.dropLast()
            let complete = starts.filter { (1...4).contains(whole[$0] >> 1) }.count
            #expect(decoded?.pdu.associations.count == complete, note)
            #expect(decoded?.rejected.count == (ends.contains(count) ? 0 : 1), note)
        }
    }

    @Test("Changed golden frames never trap, and what is read of them is stable")
    func mutations() {
        var readable = 0
        Cases.run("mutations") { random, note in
            for golden in Golden.frames where Self.readFrame(random.mutation(of: golden.octets), note) != nil {
                readable += 1
            }
        }
        #expect(Cases.count < 100 || readable > Cases.count)
    }

    @Test("Changed golden VDPDUs never trap, and what is read of them is stable")
    func vdpduMutations() {
        var (whole, partial) = (0, 0)
        Cases.run("vdpduMutations") { random, note in
            for golden in GoldenVDPDU.all {
                guard let decoded = Self.readVDPDU(random.mutation(of: golden.octets), note) else { continue }
                if decoded.rejected.isEmpty { whole += 1 } else { partial += 1 }
            }
        }
        #expect(Cases.count < 100 || whole > Cases.count / 2)
        #expect(Cases.count < 100 || partial > Cases.count / 2)
    }

    @Test("Every octet of every golden frame may have every value", arguments: Golden.frames)
    func everyOctet(_ golden: GoldenFrame) {
        // The values that a length, a type or a count is most likely to go wrong at.
        let values: [UInt8] = [0x00, 0x01, 0x02, 0x03, 0x7F, 0x80, 0xFC, 0xFD, 0xFE, 0xFF]
        for position in golden.octets.indices {
            for value in values {
                var octets = golden.octets
                octets[position] = value
                Self.readFrame(octets, "octet \(position) of \(golden.name) is \(value)")
            }
        }
    }

    @Test("Garbage never traps, bare or behind a sound beginning")
    func garbage() {
        var readable = 0
        Cases.run("garbage") { random, note in
            let bytes = random.octets(upTo: 300)
            Self.readFrame(bytes, note)
            Self.readFrame(RawLLDP.frame(bytes), note)
            Self.readFrame(ECPTests.header + bytes, note)
            Self.readFrame(RawDraft.header + bytes, note)
            Self.readDraftVDPDU(bytes, note)
            Self.readDraftVDPDU(random.draftChain(), note)
            Self.readVDPDU(bytes, note)
            Self.readVDPDU(RawVDP.managerID + bytes, note)
            let optional = random.chain(types: [4, 5, 6, 7, 8, 127, 127])
            if let lldpdu = Self.readFrame(RawLLDP.frame(RawLLDP.mandatory + optional), note)?.lldpdu {
                readable += lldpdu.optional.isEmpty ? 0 : 1
            }
            let associations = random.chain(types: [1, 2, 3, 4, 6, 127])
            Self.readFrame(ECPTests.frame(0x1001, random.number(), RawVDP.managerID + associations), note)
        }
        #expect(Cases.count < 100 || readable > Cases.count / 4)
    }

    @Test("Garbage never traps as a text")
    func garbageTexts() {
        let alphabet = Array("0123456789abcdefABCDEFgx:::---...,. +%\u{301}０é:uuidlocalmacipv46")
        Cases.run("garbageTexts") { random, note in
            let text = String((0..<random.below(40)).map { _ in alphabet[random.below(alphabet.count)] })
            if let address = MACAddress(text) { #expect(MACAddress(address.description) == address, note) }
            for prefix in ["", "uuid:", "ipv4:", "ipv6:", "mac:", "local:"] {
                if let id = VSIID(prefix + text) { #expect(VSIID(id.description) == id, note) }
            }
            if let id = VSIManagerID(text, placement: .first) { #expect(id.octets.count == 16, note) }
        }
    }

    // MARK: Memory

    @Test("Nothing is read beyond the frame, wherever it is cut off")
    func bounds() throws {
        let page = try GuardedPage()
        for golden in Golden.frames.map(\.octets) + GoldenVDPDU.all.map({ ECPTests.frame(0x1001, 1, $0.octets) }) {
            for count in 0...golden.count {
                let octets = Array(golden.prefix(count))
                let fromPage = page.holding(octets) { try? Frame(decoding: $0) }
                #expect(fromPage == (try? Frame(decoding: octets)))
            }
        }
    }
}

/// Memory with nothing behind it: to read one octet too many is a segmentation fault, in a release build too.
private struct GuardedPage: ~Copyable {
    private let memory: UnsafeMutableRawPointer
    private let length: Int

    struct Unavailable: Error {}

    init() throws(Unavailable) {
        let size = sysconf(Int32(_SC_PAGESIZE))
        let mapped = mmap(nil, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped, mapped != MAP_FAILED, mprotect(mapped + size, size, PROT_NONE) == 0 else {
            throw Unavailable()
        }
        memory = mapped
        length = size
    }

    deinit {
        munmap(memory, 2 * length)
    }

    /// Gives `body` these octets as the last of the memory.
    func holding<Result>(_ octets: [UInt8], _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let start = memory + (length - octets.count)
        start.copyMemory(from: octets, byteCount: octets.count)
        return body(UnsafeRawBufferPointer(start: start, count: octets.count))
    }
}
