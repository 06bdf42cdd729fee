// One transaction of nfnetlink: NFNL_MSG_BATCH_BEGIN, the changes, NFNL_MSG_BATCH_END; and the kernel's answer to it. Pure.

internal import Glibc
internal import LinuxSystem

/// A transaction in the octets that the kernel takes.
struct TableBatch {
    /// NFNL_SUBSYS_NFTABLES
    private static let subsystem: UInt16 = 10
    /// NFNL_MSG_BATCH_BEGIN and _END
    private static let (begin, end): (UInt16, UInt16) = (0x10, 0x11)
    /// NFT_MSG_NEWCHAIN, DELCHAIN, NEWRULE, DELRULE, NEWSETELEM and DELSETELEM
    private static let (newChain, removeChain): (UInt16, UInt16) = (0x0A03, 0x0A05)
    private static let (newRule, removeRule): (UInt16, UInt16) = (0x0A06, 0x0A08)
    private static let (newElements, removeElements): (UInt16, UInt16) = (0x0A0C, 0x0A0E)
    /// NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE and NLM_F_APPEND
    private static let (request, acknowledge): (UInt16, UInt16) = (1, 4)
    private static let (exclusive, create, append): (UInt16, UInt16, UInt16) = (0x200, 0x400, 0x800)
    /// Elements of one message. An attribute has at most 65,535 octets, and a chain's name up to 255.
    private static let elementsMax = 128
    /// NF_ACCEPT, NFT_JUMP and NFT_GOTO
    private static let (accept, jump, goto): (Int32, Int32, Int32) = (1, -3, -4)
    /// NFT_LIMIT_PKT_BYTES and NFT_LIMIT_F_INV
    private static let (limitByOctets, limitOver): (UInt32, UInt32) = (1, 1)

    /// The number of the batch's begin; the changes and the end have those that follow.
    let first: UInt32
    /// The number of the last change, which alone is acknowledged.
    private(set) var last: UInt32
    private var writer = NetfilterWriter()

    var octets: [UInt8] { writer.octets }
    /// The number after those of this batch.
    var next: UInt32 { last &+ 2 }
    /// Whether there is nothing to change.
    var isEmpty: Bool { last == first }

    /// Writes changes in their order.
    init(_ all: [TableChanges], first: UInt32) {
        self.first = first
        last = first
        writer.message(Self.begin, flags: Self.request, sequence: first, family: 0, resource: Self.subsystem)
        for part in all { for change in part.changes { write(change, part.table) } }
        if !isEmpty { writer.flagLast(Self.acknowledge) }
        writer.message(Self.end, flags: Self.request, sequence: last &+ 1, family: 0, resource: Self.subsystem)
    }

    private mutating func write(_ change: TableChange, _ table: TableID) {
        switch change {
        case .add(let set, let elements):
            write(table, Self.newElements, Self.create, set, elements) { writer, element in
                Self.write(element, &writer)
            }
        case .remove(let set, let keys):
            write(table, Self.removeElements, 0, set, keys) { writer, key in Self.write(key, &writer) }
        case .addAddresses(let set, let addresses):
            write(table, Self.newElements, Self.create, set, addresses) { writer, address in
                Self.write(address, &writer)
            }
        case .removeAddresses(let set, let addresses):
            write(table, Self.removeElements, 0, set, addresses) { writer, address in Self.write(address, &writer) }
        case .addChain(let chain, let hook): write(table, chain, hook, Self.create)
        case .createChain(let chain, let hook): write(table, chain, hook, Self.create | Self.exclusive)
        case .removeChain(let chain):
            message(table, Self.removeChain, 0) { $0.attribute(3, text: chain) }
        case .flushChain(let chain):
            // NFTA_RULE_TABLE and _CHAIN: no rule's handle means all rules.
            message(table, Self.removeRule, 0) { $0.attribute(2, text: chain) }
        case .addJump(let chain, let target):
            message(table, Self.newRule, Self.create | Self.append) { writer in
                writer.attribute(2, text: chain)
                Self.write(jumpTo: target, &writer)
            }
        }
    }

    /// NFTA_CHAIN_TABLE, _NAME, _TYPE and _HOOK
    private mutating func write(_ table: TableID, _ chain: String, _ hook: DeviceHook?, _ flags: UInt16) {
        message(table, Self.newChain, flags) { writer in
            writer.attribute(3, text: chain)
            if let hook { Self.write(hook, &writer) }
        }
    }

    /// Writes a message; the first attribute of each is the table's name.
    private mutating func message(
        _ table: TableID, _ type: UInt16, _ flags: UInt16, _ body: (inout NetfilterWriter) -> Void
    ) {
        last = last &+ 1
        writer.message(type, flags: flags | Self.request, sequence: last, family: table.family.rawValue) { writer in
            writer.attribute(1, text: table.name)
            body(&writer)
        }
    }

    /// NFTA_SET_ELEM_LIST_TABLE, _SET and _ELEMENTS
    private mutating func write<Item>(
        _ table: TableID, _ type: UInt16, _ flags: UInt16, _ set: String, _ items: [Item],
        _ write: (inout NetfilterWriter, Item) -> Void
    ) {
        for start in stride(from: 0, to: items.count, by: Self.elementsMax) {
            let some = items[start..<min(start + Self.elementsMax, items.count)]
            message(table, type, flags) { writer in
                writer.attribute(2, text: set)
                // libnftables numbers them, and the kernel takes them all.
                writer.nest(3) { list in
                    for (place, item) in some.enumerated() { list.nest(UInt16(place + 1)) { write(&$0, item) } }
                }
            }
        }
    }

    /// NFTA_SET_ELEM_KEY with NFTA_DATA_VALUE
    private static func write(_ key: ElementKey, _ writer: inout NetfilterWriter) {
        writer.nest(1) { $0.attribute(1, key.octets) }
    }

    private static func write(_ key: HardwareAddress, _ writer: inout NetfilterWriter) {
        writer.nest(1) { $0.attribute(1, address: key) }
    }

    /// NFTA_SET_ELEM_KEY, _DATA with a verdict, and _EXPR.
    private static func write(_ element: SetElement, _ writer: inout NetfilterWriter) {
        write(element.key, &writer)
        switch element.value {
        case .plain: break
        case .accept: writer.nest(2) { write(verdict: accept, &$0) }
        case .goto(let chain): writer.nest(2) { write(verdict: goto, chain: chain, &$0) }
        case .limit(let rate, let burst):
            // NFTA_EXPR_NAME and _DATA with NFTA_LIMIT_RATE, _UNIT (seconds), _BURST, _TYPE and _FLAGS
            writer.nest(7) { expression in
                expression.attribute(1, text: "limit")
                expression.nest(2) { limit in
                    limit.attribute(1, number: rate)
                    limit.attribute(2, number: UInt64(1))
                    limit.attribute(3, number: burst)
                    limit.attribute(4, number: limitByOctets)
                    limit.attribute(5, number: limitOver)
                }
            }
        }
    }

    /// NFTA_DATA_VERDICT with NFTA_VERDICT_CODE and _CHAIN
    private static func write(verdict: Int32, chain: String? = nil, _ writer: inout NetfilterWriter) {
        writer.nest(2) { inner in
            inner.attribute(1, number: verdict)
            if let chain { inner.attribute(2, text: chain) }
        }
    }

    /// NFTA_CHAIN_TYPE, and NFTA_CHAIN_HOOK with NFTA_HOOK_HOOKNUM, _PRIORITY and _DEV
    private static func write(_ hook: DeviceHook, _ writer: inout NetfilterWriter) {
        writer.attribute(7, text: "filter")
        writer.nest(4) { inner in
            inner.attribute(1, number: hook.direction.rawValue)
            inner.attribute(2, number: hook.priority)
            inner.attribute(3, text: hook.device)
        }
    }

    /// NFTA_RULE_EXPRESSIONS with one NFTA_LIST_ELEM: an immediate verdict, NFTA_IMMEDIATE_DREG (NFT_REG_VERDICT) and _DATA
    private static func write(jumpTo target: String, _ writer: inout NetfilterWriter) {
        writer.nest(4) { list in
            list.nest(1) { expression in
                expression.attribute(1, text: "immediate")
                expression.nest(2) { immediate in
                    immediate.attribute(1, number: UInt32(0))
                    immediate.nest(2) { write(verdict: jump, chain: target, &$0) }
                }
            }
        }
    }
}

/// The kernel's answer to a batch. Pure.
///
/// The kernel answers for each change that it refuses, in their order, then for the last one, which asks for it. What befalls
/// the batch as a whole is an answer to its begin.
struct BatchAnswer {
    /// NLMSG_ERROR
    private static let errorMessage: UInt16 = 2

    let first: UInt32
    let last: UInt32
    /// The first refusal, as a number of errno(3).
    private(set) var refusal: Int32?

    /// Takes one datagram; true once the answer is whole. Answers to other batches count for nothing.
    mutating func take(_ octets: ArraySlice<UInt8>) -> Bool {
        var rest = octets
        while let message = NetfilterReader.next(&rest) {
            let place = message.sequence &- first
            guard message.type == Self.errorMessage, place <= last &- first else { continue }
            let code = NetfilterReader.code(ofError: message.payload, otherwise: EIO)
            if code != 0, refusal == nil { refusal = code }
            if place == last &- first || place == 0 { return true }
        }
        return false
    }
}
