import Glibc
import LinuxSystem
import NetnsSupport
import Testing

@testable import Nftables

// What libnftables 1.0.6 sends for the changes below, a message a paragraph, but for what it needs for itself: the numbers of sets in
// the batch (NFTA_SET_ELEM_LIST_SET_ID). The last change asks for an acknowledgement here.

private let addedElements = """
    140000001000010000000000000000000000000a

    5c0000000c0a01040100000000000000070000000900010065766264000000000d00020073746174696f6e73000000002c000380140001
    80100001800a000100525400000001000014000280100001800a0001005254000000020000

    880000000c0a01040200000000000000070000000900010065766264000000000a00020072617465730000005c00038058000180100001
    800a0001005254000000010000440007800a0001006c696d6974000000340002800c000100000000000001e8480c000200000000000000
    0001080003000001000008000400000000010800050000000001

    580000000c0a01040300000000000000070000000900010065766264000000000d000200756e7461676765640000000028000380240001
    80100001800a0001005254000000010000100002800c0002800800010000000001

    6c0000000c0a01040400000000000000070000000900010065766264000000000b0002007461676765640000400003803c000180140001
    8010000100525400000001000000640000240002802000028008000100fffffffc14000200657468657274797065732d3038303000

    500000000c0a01040500000000000000070000000900010065766264000000000a000200766c616e7300000024000380200001800c0001
    800600010000640000100002800c0002800800010000000001

    5c0000000c0a0104060000000000000007000000090001006576626400000000090002006f70656e00000000300003802c000180180001
    80140001006574682d706f72740000000000000000100002800c0002800800010000000001

    4c0000000c0a01040700000000000000070000000900010065766264000000000f000200666f7277617264696e6700001c000380180001
    801400018010000100525400000001000000640000

    400000000c0a01040800000000000000070000000900010065766264000000000c0002006d656d626572730014000380100001800c0001
    800600010000640000

    440000000c0a01040900000000000000070000000900010065766264000000000d0002006e6574776f726b730000000014000380100001
    800c0001800800010070110100

    440000000c0a01040a00000000000000070000000900010065766264000000000c00020063617272696564001800038014000180100001
    800c0001000064000070110100

    480000000c0a01040b00000000000000070000000900010065766264000000000900020073656e74000000001c00038018000180140001
    8010000100525400000001000000640000

    480000000c0a05040c00000000000000070000000900010065766264000000000e00020073656e74706c61696e00000018000380140001
    80100001800a0001005254000000010000

    14000000110001000d000000000000000000000a
    """

private let removedElements = """
    140000001000010000000000000000000000000a

    5c0000000e0a01000100000000000000070000000900010065766264000000000d00020073746174696f6e73000000002c000380140001
    80100001800a000100525400000001000014000280100001800a0001005254000000020000

    440000000e0a01000200000000000000070000000900010065766264000000000a00020072617465730000001800038014000180100001
    800a0001005254000000010000

    480000000e0a01000300000000000000070000000900010065766264000000000d000200756e7461676765640000000018000380140001
    80100001800a0001005254000000010000

    480000000e0a01000400000000000000070000000900010065766264000000000b00020074616767656400001c00038018000180140001
    8010000100525400000001000000640000

    400000000e0a01000500000000000000070000000900010065766264000000000a000200766c616e7300000014000380100001800c0001
    800600010000640000

    4c0000000e0a0100060000000000000007000000090001006576626400000000090002006f70656e00000000200003801c000180180001
    80140001006574682d706f72740000000000000000

    4c0000000e0a01000700000000000000070000000900010065766264000000000f000200666f7277617264696e6700001c000380180001
    801400018010000100525400000001000000640000

    400000000e0a01000800000000000000070000000900010065766264000000000c0002006d656d626572730014000380100001800c0001
    800600010000640000

    440000000e0a01000900000000000000070000000900010065766264000000000d0002006e6574776f726b730000000014000380100001
    800c0001800800010070110100

    440000000e0a01000a00000000000000070000000900010065766264000000000c00020063617272696564001800038014000180100001
    800c0001000064000070110100

    480000000e0a01000b00000000000000070000000900010065766264000000000900020073656e74000000001c00038018000180140001
    8010000100525400000001000000640000

    480000000e0a05000c00000000000000070000000900010065766264000000000e00020073656e74706c61696e00000018000380140001
    80100001800a0001005254000000010000

    14000000110001000d000000000000000000000a
    """

private let linkChains = """
    140000001000010000000000000000000000000a

    34000000030a010401000000000000000500000010000100657662642d677565737473000f0003006c696e6b2d312d6f75740000

    34000000080a010002000000000000000500000010000100657662642d677565737473000f0002006c696e6b2d312d6f75740000

    34000000050a010003000000000000000500000010000100657662642d677565737473000f0003006c696e6b2d312d6f75740000

    5c000000030a010404000000000000000500000010000100657662642d677565737473000f0003006c696e6b2d312d6f757400000b0007
    0066696c74657200001c000480080001000000000108000200fffffe0c070003006c6f0000

    74000000060a010c05000000000000000500000010000100657662642d677565737473000f0002006c696e6b2d312d6f75740000400004
    803c0001800e000100696d6d6564696174650000002800028008000100000000001c0002801800028008000100fffffffd0b0002006775
    657374730000

    5c000000030a010406000000000000000500000010000100657662642d677565737473000e0003006c696e6b2d312d696e0000000b0007
    0066696c74657200001c000480080001000000000008000200fffffe0c070003006c6f0000

    74000000060a050c07000000000000000500000010000100657662642d677565737473000e0002006c696e6b2d312d696e000000400004
    803c0001800e000100696d6d6564696174650000002800028008000100000000001c0002801800028008000100fffffffd0b0002006775
    657374730000

    140000001100010008000000000000000000000a
    """

private let createdChain = """
    140000001000010000000000000000000000000a

    5c000000030a050601000000000000000500000010000100657662642d677565737473000f0003006c696e6b2d312d6f757400000b0007
    0066696c74657200001c000480080001000000000108000200fffffe0c070003006c6f0000

    140000001100010002000000000000000000000a
    """

private let one = HardwareAddress(0x5254_0000_0001)
private let two = HardwareAddress(0x5254_0000_0002)
private let bridge = TableID(.bridge, "evbd")
private let netdev = TableID(.netdev, "evbd-guests")
/// Tables of these tests alone.
private let (bridgeTable, netdevTable) = ("bridge evbd-batch", "netdev evbd-batch")
private let (bridgeBatch, netdevBatch) = (TableID(.bridge, "evbd-batch"), TableID(.netdev, "evbd-batch"))

/// Each kind of element that evbd has, by its set.
private let elements: [(set: String, [SetElement])] = [
    ("stations", [SetElement(ElementKey(.address(one))), SetElement(ElementKey(.address(two)))]),
    ("rates", [SetElement(ElementKey(.address(one)), .limit(octetsPerSecond: 125_000, burst: 65_536))]),
    ("untagged", [SetElement(ElementKey(.address(one)), .accept)]),
    ("tagged", [SetElement(ElementKey(.address(one), .vlan(100)), .goto("ethertypes-0800"))]),
    ("vlans", [SetElement(ElementKey(.vlan(100)), .accept)]),
    ("open", [SetElement(ElementKey(.interface("eth-port")), .accept)]),
    ("forwarding", [SetElement(ElementKey(.address(one), .vlan(100)))]),
    ("members", [SetElement(ElementKey(.vlan(100)))]),
    ("networks", [SetElement(ElementKey(.mark(70_000)))]),
    ("carried", [SetElement(ElementKey(.vlan(100), .mark(70_000)))]),
    ("sent", [SetElement(ElementKey(.address(one), .vlan(100)))]),
    ("sentplain", [SetElement(ElementKey(.address(one)))]),
]

private func link(_ name: String) -> [TableChange] {
    [.addChain("link-1-out"), .flushChain("link-1-out"), .removeChain("link-1-out")] + [
        .addChain("link-1-out", DeviceHook(.egress, device: name, priority: -500)),
        .addJump(chain: "link-1-out", target: "guests"),
        .addChain("link-1-in", DeviceHook(.ingress, device: name, priority: -500)),
        .addJump(chain: "link-1-in", target: "guests"),
    ]
}

private func octets(_ hexadecimal: String) -> [UInt8] {
    let digits = hexadecimal.compactMap { $0.hexDigitValue.map { UInt8($0) } }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// An answer of the kernel: NLMSG_ERROR with the head of what is answered.
private func answer(_ sequence: UInt32, _ code: Int32, type: UInt16 = 2) -> [UInt8] {
    let words: [UInt32] = [36, UInt32(type), sequence, 0, UInt32(bitPattern: -code), 20, 0x0A0C, sequence, 0]
    return words.withUnsafeBytes(Array.init)
}

@Suite(.serialized) struct TableBatchTests {
    @Test("SEC-1160 a batch has the octets that libnftables sends for the same changes")
    func golden() {
        let added = TableBatch([TableChanges(bridge, elements.map { .add(set: $0.set, $0.1) })], first: 0)
        #expect(added.octets == octets(addedElements))
        #expect((added.first, added.last, added.next) == (0, 12, 14))
        let removed = TableBatch(
            [TableChanges(bridge, elements.map { .remove(set: $0.set, $0.1.map(\.key)) })], first: 0)
        #expect(removed.octets == octets(removedElements))
        let stations = [TableChange.addAddresses(set: "stations", [one, two])]
        #expect(
            TableBatch([TableChanges(bridge, stations)], first: 0).octets
                == TableBatch([TableChanges(bridge, [.add(set: "stations", elements[0].1)])], first: 0).octets)
        let gone = [TableChange.removeAddresses(set: "stations", [one, two])]
        #expect(
            TableBatch([TableChanges(bridge, gone)], first: 0).octets
                == TableBatch([TableChanges(bridge, [.remove(set: "stations", elements[0].1.map(\.key))])], first: 0)
                .octets)
        #expect(TableBatch([TableChanges(netdev, link("lo"))], first: 0).octets == octets(linkChains))
        let hook = DeviceHook(.egress, device: "lo", priority: -500)
        let created = TableBatch([TableChanges(netdev, [.createChain("link-1-out", hook)])], first: 0)
        #expect(created.octets == octets(createdChain))
        #expect(TableBatch([TableChanges(netdev, [])], first: 7).isEmpty)
    }

    @Test("SEC-1160 many elements are spread over messages that the kernel can take, with numbers that wrap")
    func many() {
        let name = String(repeating: "x", count: 255)
        let keys = (0..<1000).map { ElementKey(.address(HardwareAddress($0))) }
        let batch = TableBatch(
            [TableChanges(bridge, [.add(set: "s", keys.map { SetElement($0, .goto(name)) })])], first: .max - 2)
        var rest = batch.octets[...]
        var messages: [NetfilterReader.Message] = []
        while let message = NetfilterReader.next(&rest) { messages.append(message) }
        #expect(rest.isEmpty)
        #expect(messages.map(\.sequence) == [.max - 2, .max - 1, .max, 0, 1, 2, 3, 4, 5, 6])
        #expect(messages.dropFirst().dropLast().map(\.flags) == [1025, 1025, 1025, 1025, 1025, 1025, 1025, 1029])
        let found = messages.flatMap { message -> [[UInt8]] in
            var keys: [[UInt8]] = []
            let attributes = message.payload.dropFirst(4)
            NetfilterReader.forEach(in: NetfilterReader.value(3, in: attributes) ?? []) { _, element in
                let key = NetfilterReader.value(1, in: element).flatMap { NetfilterReader.value(1, in: $0) }
                keys.append(Array(key ?? []))
            }
            return keys
        }
        #expect(found == keys.map(\.octets))
    }

    @Test(
        "SEC-1161 the answer to a batch is whole with its last change, or with one to its begin; other batches' count for nothing"
    )
    func answers() {
        func taken(_ datagrams: [[UInt8]], first: UInt32 = 10, last: UInt32 = 12) -> (isWhole: Bool, refusal: Int32?) {
            var result = BatchAnswer(first: first, last: last)
            let isWhole = datagrams.reduce(false) { $0 || result.take($1[...]) }
            return (isWhole, result.refusal)
        }
        #expect(taken([answer(12, 0)]) == (true, nil))
        #expect(taken([answer(11, ENOENT), answer(12, 0)]) == (true, ENOENT))
        #expect(taken([answer(11, EEXIST) + answer(12, ENOENT)]) == (true, EEXIST))
        #expect(taken([answer(10, EPERM)]) == (true, EPERM))
        // A commit that fails: the acknowledgement of the last change comes all the same, behind it.
        #expect(taken([answer(10, ENOMEM), answer(12, 0)]) == (true, ENOMEM))
        #expect(taken([answer(11, 0)]) == (false, nil))
        #expect(taken([answer(9, ENOENT), answer(13, 0), answer(12, 0, type: 3)]) == (false, nil))
        #expect(taken([answer(.max, ENOENT), answer(1, 0)], first: .max, last: 1) == (true, ENOENT))
        let whole = answer(12, ENOENT)
        for count in whole.indices { #expect(taken([Array(whole[..<count])]) == (false, nil)) }
        for place in 0..<4 {
            for value in [UInt8(0), 1, 3, 15, 17, 0x7F, 0xFF] {
                var lie = whole
                lie[place] = value
                _ = taken([lie])
            }
        }
    }

    private static let sets = """
        add table \(bridgeTable)
        add chain \(bridgeTable) ethertypes-0800
        add set \(bridgeTable) stations { type ether_addr; }
        add set \(bridgeTable) rates { type ether_addr; size 65535; flags dynamic; }
        add map \(bridgeTable) untagged { type ether_addr : verdict; }
        add map \(bridgeTable) tagged { typeof ether saddr . vlan id : verdict; }
        add map \(bridgeTable) vlans { typeof vlan id : verdict; }
        add map \(bridgeTable) open { type ifname : verdict; }
        add set \(bridgeTable) forwarding { typeof ether saddr . vlan id; }
        add set \(bridgeTable) members { typeof vlan id; }
        add set \(bridgeTable) networks { type mark; }
        add set \(bridgeTable) carried { typeof vlan id . meta mark; }
        add set \(bridgeTable) sent { typeof ether saddr . vlan id; counter; }
        add set \(bridgeTable) sentplain { type ether_addr; counter; }
        """
    private static let commands = """
        add element \(bridgeTable) stations { \(one), \(two) }
        add element \(bridgeTable) rates { \(one) limit rate over 125000 bytes/second burst 65536 bytes }
        add element \(bridgeTable) untagged { \(one) : accept }
        add element \(bridgeTable) tagged { \(one) . 100 : goto ethertypes-0800 }
        add element \(bridgeTable) vlans { 100 : accept }
        add element \(bridgeTable) open { "eth-port" : accept }
        add element \(bridgeTable) forwarding { \(one) . 100 }
        add element \(bridgeTable) members { 100 }
        add element \(bridgeTable) networks { 70000 }
        add element \(bridgeTable) carried { 100 . 70000 }
        add element \(bridgeTable) sent { \(one) . 100 }
        add element \(bridgeTable) sentplain { \(one) }
        """

    /// A listing without the order of what was made, and without handles.
    private func listing(_ session: NftablesSession, _ table: String) throws -> [String] {
        let text = try session.list("list table \(table)")
        return text.split(separator: "{").map { String($0.replacing(/"handle": \d+/, with: "")) }.sorted()
    }

    @Test(
        "SEC-1162 nft lists the same after a batch as after commands, for each kind of element and for a link's chains",
        .enabled(if: inOwnNamespace, "needs root in a network namespace of its own: EVBD_TEST_NETNS=1 unshare -n"))
    func kernel() throws {
        let session = try NftablesSession()
        let socket = NftablesSocket()
        defer { try? session.run("delete table \(bridgeTable)") }
        try session.run(Self.sets)
        let empty = try listing(session, bridgeTable)
        try session.run(Self.commands)
        let wanted = try listing(session, bridgeTable)
        try session.run("delete table \(bridgeTable)\n" + Self.sets)
        let all = TableChanges(bridgeBatch, elements.map { .add(set: $0.set, $0.1) })
        try socket.commit([all])
        #expect(try listing(session, bridgeTable) == wanted)
        try socket.commit([all])
        #expect(try listing(session, bridgeTable) == wanted, "what is there is no mistake")
        let none = TableChanges(bridgeBatch, elements.map { .remove(set: $0.set, $0.1.map(\.key)) })
        try socket.commit([none])
        #expect(try listing(session, bridgeTable) == empty)

        let shared = "add table \(netdevTable)\nadd chain \(netdevTable) guests"
        defer { try? session.run("delete table \(netdevTable)") }
        try session.run(
            shared + """

                add chain \(netdevTable) link-1-out { type filter hook egress device "lo" priority -500; }
                add rule \(netdevTable) link-1-out jump guests
                add chain \(netdevTable) link-1-in { type filter hook ingress device "lo" priority -500; }
                add rule \(netdevTable) link-1-in jump guests
                """)
        let chains = try listing(session, netdevTable)
        try session.run("delete table \(netdevTable)\n" + shared)
        try socket.commit([TableChanges(netdevBatch, link("lo"))])
        #expect(try listing(session, netdevTable) == chains)
        let former: [TableChange] = [.addChain("link-1-in"), .flushChain("link-1-in"), .removeChain("link-1-in")]
        try socket.commit([TableChanges(netdevBatch, former + link("lo"))])
        #expect(try listing(session, netdevTable) == chains, "chains that are there are replaced")
        let created = TableChange.createChain("link-1-in", DeviceHook(.ingress, device: "lo", priority: -500))
        let again = TableChanges(netdevBatch, [created, .addJump(chain: "link-1-in", target: "guests")])
        #expect(throws: NftablesSocket.Failure.refused(EEXIST)) { try socket.commit([again]) }
        #expect(try listing(session, netdevTable) == chains, "what is there already is not created")
        try socket.commit([TableChanges(netdevBatch, former), again])
        #expect(try listing(session, netdevTable) == chains)
    }

    @Test(
        "SEC-1161 a batch that the kernel refuses changes nothing, and the next one has its own answer",
        .enabled(if: inOwnNamespace, "needs root in a network namespace of its own: EVBD_TEST_NETNS=1 unshare -n"))
    func refusals() throws {
        let session = try NftablesSession()
        let socket = NftablesSocket()
        let stations = TableChanges(bridgeBatch, [.add(set: "stations", [SetElement(ElementKey(.address(one)))])])
        #expect(throws: NftablesSocket.Failure.refused(ENOENT)) { try socket.commit([stations]) }
        defer { try? session.run("delete table \(bridgeTable)") }
        try session.run(Self.sets)
        let empty = try listing(session, bridgeTable)
        let absent = TableChanges(bridgeBatch, [.remove(set: "stations", [ElementKey(.address(two))])])
        #expect(throws: NftablesSocket.Failure.refused(ENOENT)) { try socket.commit([stations, absent]) }
        #expect(try listing(session, bridgeTable) == empty)
        // So many that the kernel's answers would fill a socket's room several times over.
        let many = TableChanges(
            bridgeBatch, (0..<20_000).map { .remove(set: "stations", [ElementKey(.address(HardwareAddress($0)))]) })
        #expect(throws: NftablesSocket.Failure.self) { try socket.commit([many]) }
        let map = { (value: ElementValue) in
            TableChanges(bridgeBatch, [.add(set: "vlans", [SetElement(ElementKey(.vlan(5)), value)])])
        }
        try socket.commit([stations, map(.accept)])
        #expect(throws: NftablesSocket.Failure.refused(EEXIST)) { try socket.commit([map(.goto("ethertypes-0800"))]) }
        #expect(try listing(session, bridgeTable) != empty)
    }
}
