// One libnl socket for requests, and the messages that go through it. Owns libnl's handles, so that nothing else has to.

internal import CLinux
internal import CNetlink
internal import Glibc

/// Owns a libnl socket.
struct SocketHandle: ~Copyable {
    let pointer: OpaquePointer

    /// Opens a socket of NETLINK_ROUTE on a port id that libnl chooses.
    init(for operation: String) throws(NetlinkError) {
        guard let pointer = nl_socket_alloc() else {
            throw NetlinkError(operation: operation, libnlCode: -Int32(NLE_NOMEM))
        }
        // libnl opens with SOCK_CLOEXEC.
        let code = nl_connect(pointer, NETLINK_ROUTE)
        guard code >= 0 else {
            nl_socket_free(pointer)
            throw NetlinkError(operation: operation, libnlCode: code)
        }
        self.pointer = pointer
    }

    deinit {
        nl_socket_free(pointer)
    }
}

/// Owns a libnl message: a request about a link, or about an address that a bridge knows, that is being put together.
struct LinkMessage: ~Copyable {
    let pointer: OpaquePointer

    /// Starts a request about a link.
    ///
    /// - Parameters:
    ///   - type: RTM_NEWLINK and the like.
    ///   - flags: NLM_F_*; libnl adds NLM_F_REQUEST and NLM_F_ACK.
    ///   - index: The link, or 0 where the name says which.
    ///   - family: AF_BRIDGE for what a bridge knows of its port.
    init(type: Int, flags: Int32 = 0, index: Int32 = 0, family: Int32 = AF_UNSPEC) {
        guard let pointer = nlmsg_alloc_simple(Int32(type), flags) else {
            // A few kilobytes: there is no way on for a process that cannot have them.
            preconditionFailure("out of memory")
        }
        self.pointer = pointer
        var information = ifinfomsg()
        information.ifi_family = UInt8(family)
        information.ifi_index = index
        append(information)
    }

    /// Starts a request about an entry of a bridge's forwarding database.
    ///
    /// - Parameters:
    ///   - type: RTM_NEWNEIGH and the like.
    ///   - flags: NLM_F_*; libnl adds NLM_F_REQUEST and NLM_F_ACK.
    ///   - portIndex: The bridge port, or 0 where another attribute says which bridge.
    ///   - state: NUD_*.
    ///   - entryFlags: NTF_*.
    ///   - family: Another one for a neighbour of a link.
    init(
        type: Int, flags: Int32 = 0, portIndex: Int32, state: Int32 = 0, entryFlags: Int32 = 0,
        family: Int32 = AF_BRIDGE
    ) {
        guard let pointer = nlmsg_alloc_simple(Int32(type), flags) else {
            preconditionFailure("out of memory")
        }
        self.pointer = pointer
        var entry = ndmsg()
        entry.ndm_family = UInt8(family)
        entry.ndm_ifindex = portIndex
        entry.ndm_state = UInt16(truncatingIfNeeded: state)
        entry.ndm_flags = UInt8(truncatingIfNeeded: entryFlags)
        nlmsg_append(pointer, &entry, MemoryLayout<ndmsg>.size, Int32(NLMSG_ALIGNTO))
    }

    /// Starts a request about the VNIs of a VXLAN device.
    ///
    /// - Parameters:
    ///   - tunnelType: RTM_NEWTUNNEL and the like.
    ///   - flags: NLM_F_*; libnl adds NLM_F_REQUEST and NLM_F_ACK.
    ///   - index: The device.
    init(tunnelType: Int, flags: Int32 = 0, index: Int32) {
        guard let pointer = nlmsg_alloc_simple(Int32(tunnelType), flags) else {
            preconditionFailure("out of memory")
        }
        self.pointer = pointer
        var header = (family: UInt8(AF_BRIDGE), flags: UInt8(0), reserved: UInt16(0), index: index)
        nlmsg_append(pointer, &header, 8, Int32(NLMSG_ALIGNTO))
    }

    /// Starts a request about a queueing discipline or a filter of a link.
    ///
    /// - Parameters:
    ///   - type: RTM_NEWTFILTER and the like.
    ///   - flags: NLM_F_*; libnl adds NLM_F_REQUEST and NLM_F_ACK.
    ///   - traffic: The link, and which of its disciplines or filters.
    init(type: Int, flags: Int32 = 0, traffic: tcmsg) {
        guard let pointer = nlmsg_alloc_simple(Int32(type), flags) else {
            preconditionFailure("out of memory")
        }
        self.pointer = pointer
        var traffic = traffic
        nlmsg_append(pointer, &traffic, MemoryLayout<tcmsg>.size, Int32(NLMSG_ALIGNTO))
    }

    deinit {
        nlmsg_free(pointer)
    }

    private func append(_ information: ifinfomsg) {
        var information = information
        nlmsg_append(pointer, &information, MemoryLayout<ifinfomsg>.size, Int32(NLMSG_ALIGNTO))
    }

    /// Sets or clears IFF_UP, and leaves every other flag alone.
    func setUp(_ isUp: Bool) { setFlags(up: isUp) }

    /// Sets or clears IFF_UP and IFF_ALLMULTI; nil leaves one alone, as every other flag.
    func setFlags(up: Bool? = nil, allmulticast: Bool? = nil) {
        guard let payload = nlmsg_data(nlmsg_hdr(pointer)) else {
            return
        }
        let information = payload.assumingMemoryBound(to: ifinfomsg.self)
        // IFF_UP and IFF_ALLMULTI: the C library's header and the kernel's both define them.
        for (flag, value) in [(UInt32(1), up), (UInt32(1 << 9), allmulticast)] {
            guard let value else { continue }
            information.pointee.ifi_change |= flag
            information.pointee.ifi_flags = information.pointee.ifi_flags & ~flag | (value ? flag : 0)
        }
    }

    // A page is more than these requests can fill (strings are bounded by `MacvlanSpec`), so putting does not fail.

    func put(_ type: Int, _ string: String) {
        nla_put_string(pointer, Int32(type), string)
    }

    func put(_ type: Int, _ number: UInt32) {
        nla_put_u32(pointer, Int32(type), number)
    }

    func put(_ type: Int, _ number: UInt16) {
        nla_put_u16(pointer, Int32(type), number)
    }

    func put(_ type: Int, _ number: UInt8) {
        nla_put_u8(pointer, Int32(type), number)
    }

    func put(_ type: Int, _ octets: [UInt8]) {
        nla_put(pointer, Int32(type), Int32(octets.count), octets)
    }

    func nest(_ type: Int, _ content: () -> Void) {
        let start = nla_nest_start(pointer, Int32(type) | NLA_F_NESTED)
        content()
        nla_nest_end(pointer, start)
    }
}

/// Sends requests and waits for their answers, one at a time.
final class RequestSocket {
    /// What libnl's callbacks have met during one request.
    private final class Answers {
        var links: [Link] = []
        /// Who reads the answer, if it is not about links.
        var reader: ((UnsafeMutablePointer<nlmsghdr>) -> Void)?
        var kernelCode: Int32?
        var kernelText: String?
        /// Requests that the kernel has neither acknowledged nor refused.
        var outstanding = 0
    }

    private var socket: SocketHandle
    private let answers = Answers()
    /// An answer may be on its way still, or is lost: the next one would be taken for another request's, and each after it.
    private var hasLostPlace = false
    /// How often a dump that other changes have interrupted is tried before it is an error.
    private static let dumpAttemptsMax = 10

    init() throws(NetlinkError) { socket = try Self.open(answers) }

    private static func open(_ answers: Answers) throws(NetlinkError) -> SocketHandle {
        let socket = try SocketHandle(for: "open a netlink socket")
        nl_socket_enable_msg_peek(socket.pointer)
        // The kernel says in words what was wrong. One that cannot still answers with errno alone.
        var on: Int32 = 1
        for option in [NETLINK_EXT_ACK, NETLINK_CAP_ACK] {
            setsockopt(
                nl_socket_get_fd(socket.pointer), Int32(clinux_sol_netlink), option, &on,
                socklen_t(MemoryLayout<Int32>.size))
        }
        let context = Unmanaged.passUnretained(answers).toOpaque()
        nl_socket_modify_cb(
            socket.pointer, NL_CB_VALID, NL_CB_CUSTOM,
            { message, context in
                guard let context, let header = nlmsg_hdr(message) else {
                    return Int32(NL_SKIP.rawValue)
                }
                let answers = Unmanaged<Answers>.fromOpaque(context).takeUnretainedValue()
                if let reader = answers.reader {
                    reader(header)
                } else if Int(header.pointee.nlmsg_type) == RTM_NEWLINK, let link = Link(message: header) {
                    answers.links.append(link)
                }
                return Int32(NL_OK.rawValue)
            }, context)
        nl_socket_modify_cb(
            socket.pointer, NL_CB_ACK, NL_CB_CUSTOM,
            { _, context in
                if let context {
                    Unmanaged<Answers>.fromOpaque(context).takeUnretainedValue().outstanding -= 1
                }
                return Int32(NL_STOP.rawValue)
            }, context)
        nl_socket_modify_err_cb(
            socket.pointer, NL_CB_CUSTOM,
            { _, failure, context in
                if let context, let failure {
                    let answers = Unmanaged<Answers>.fromOpaque(context).takeUnretainedValue()
                    answers.outstanding -= 1
                    answers.kernelCode = -failure.pointee.error
                    answers.kernelText = RequestSocket.text(of: failure)
                }
                return Int32(NL_STOP.rawValue)
            }, context)
        return socket
    }

    /// Sends a request and waits for the kernel's acknowledgement.
    ///
    /// - Parameters:
    ///   - message: The request.
    ///   - operation: What the error will say was asked.
    /// - Returns: The links that the answer describes.
    /// - Throws: `NetlinkError`, with the kernel's errno and words where it was the kernel that refused.
    @discardableResult
    func perform(
        _ message: borrowing LinkMessage, _ operation: @autoclosure () -> String
    ) throws(NetlinkError) -> [Link] {
        // Not nl_wait_for_ack: that reads one datagram, and where the answer to a question comes first it leaves the
        // acknowledgement for the next request to stumble over.
        try exchange(message, operation()) { self.receiveUntilAcknowledged($0) }
    }

    /// Sends a change and, with it, a question about the link, which the kernel answers after the change.
    ///
    /// - Parameters:
    ///   - change: The change. Its refusal does not keep the question from being answered.
    ///   - question: RTM_GETLINK.
    ///   - operation: What an error will say was asked.
    /// - Returns: Why the kernel has refused the change, nil if it has not; and the link, nil if there is none.
    /// - Throws: `NetlinkError` where there is no answer, or the question is refused.
    func perform(
        _ change: borrowing LinkMessage, thenAsk question: borrowing LinkMessage, _ operation: @autoclosure () -> String
    ) throws(NetlinkError) -> (refusal: NetlinkError?, link: Link?) {
        begin(requests: 2)
        nl_complete_msg(socket.pointer, change.pointer)
        nl_complete_msg(socket.pointer, question.pointer)
        var code = send(change.pointer, question.pointer)
        var refusal: NetlinkError?
        // The answers come in the order of the requests, the question's behind the change's.
        while code >= 0, answers.outstanding > 0 {
            let before = answers.outstanding
            code = nl_recvmsgs_default(socket.pointer)
            guard code < 0, answers.outstanding < before else { continue }
            let error = failure(code, operation())
            if answers.outstanding > 0 {
                refusal = error
                (answers.kernelCode, answers.kernelText) = (nil, nil)
            } else if error.kind != .notFound {
                throw error
            }
            code = 0
        }
        guard code >= 0 else { throw failure(code, operation()) }
        defer { answers.links = [] }
        return (refusal, answers.links.first)
    }

    /// Sends two messages as one datagram, each at a multiple of four octets; the kernel performs one after the other.
    private func send(_ first: OpaquePointer, _ second: OpaquePointer) -> Int32 {
        var parts = [first, second].map { message in
            let header = nlmsg_hdr(message)
            return iovec(iov_base: header, iov_len: (Int(header?.pointee.nlmsg_len ?? 0) + 3) & ~3)
        }
        return nl_send_iovec(socket.pointer, first, &parts, UInt32(parts.count))
    }

    /// Sends a request whose answer is not about links.
    ///
    /// - Parameters:
    ///   - message: The request.
    ///   - operation: What the error will say was asked.
    ///   - reader: Is given each message of the answer, which lies whole in memory.
    /// - Throws: `NetlinkError`, with the kernel's errno and words where it was the kernel that refused.
    func perform(
        _ message: borrowing LinkMessage, _ operation: @autoclosure () -> String,
        reader: @escaping (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) throws(NetlinkError) {
        answers.reader = reader
        defer { answers.reader = nil }
        _ = try exchange(message, operation()) { self.receiveUntilAcknowledged($0) }
    }

    private func receiveUntilAcknowledged(_ socket: OpaquePointer) -> Int32 {
        var code: Int32 = 0
        while code >= 0, answers.outstanding > 0 {
            code = nl_recvmsgs_default(socket)
        }
        return code
    }

    /// Asks for all links; other changes during the dump make it start again.
    func dump() throws(NetlinkError) -> [Link] {
        try dump("list the links") { LinkMessage(type: RTM_GETLINK, flags: NLM_F_DUMP) }
    }

    /// Asks for all of something else.
    ///
    /// - Parameters:
    ///   - operation: What the error will say was asked.
    ///   - start: Is called when the answer begins, and again when other changes make it begin anew.
    ///   - request: Makes the request.
    ///   - reader: Is given each message of the answer.
    /// - Throws: `NetlinkError`.
    func dump(
        _ operation: String, start: () -> Void, request: () -> LinkMessage,
        reader: @escaping (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) throws(NetlinkError) {
        answers.reader = reader
        defer { answers.reader = nil }
        _ = try dump(operation) {
            start()
            return request()
        }
    }

    /// Asks for some of the links.
    ///
    /// - Parameters:
    ///   - operation: What the error will say was asked.
    ///   - request: Makes the request.
    /// - Returns: The links of the answer.
    /// - Throws: `NetlinkError`.
    func dump(_ operation: String, _ request: () -> LinkMessage) throws(NetlinkError) -> [Link] {
        var attempt = 1
        while true {
            do {
                return try exchange(request(), operation) { nl_recvmsgs_default($0) }
            } catch {
                guard error.reason == Self.interruptedText, attempt < Self.dumpAttemptsMax else {
                    throw error
                }
                attempt += 1
            }
        }
    }

    private static let interruptedText = nl_geterror(-Int32(NLE_DUMP_INTR)).map { String(cString: $0) } ?? ""

    private func exchange(
        _ message: borrowing LinkMessage, _ operation: @autoclosure () -> String,
        _ receive: (OpaquePointer) -> Int32
    ) throws(NetlinkError) -> [Link] {
        begin(requests: 1)
        var code = nl_send_auto(socket.pointer, message.pointer)
        if code >= 0 {
            code = receive(socket.pointer)
        }
        guard code >= 0 else { throw failure(code, operation()) }
        let links = answers.links
        answers.links = []
        return links
    }

    private func begin(requests count: Int) {
        if hasLostPlace {
            // Where none is to be had the former one goes on, and the next request tries again.
            do {
                socket = try Self.open(answers)
                hasLostPlace = false
            } catch {}
        }
        answers.links = []
        answers.kernelCode = nil
        answers.kernelText = nil
        answers.outstanding = count
    }

    private func failure(_ code: Int32, _ operation: String) -> NetlinkError {
        // A dump that was interrupted is read to its end.
        if answers.kernelCode == nil, code != -Int32(NLE_DUMP_INTR) { hasLostPlace = true }
        return NetlinkError(
            operation: operation, libnlCode: code, kernelCode: answers.kernelCode, kernelText: answers.kernelText)
    }

    /// The kernel's words (NLMSGERR_ATTR_MSG), which follow its error code where NLM_F_ACK_TLVS says so.
    private static func text(of failure: UnsafeMutablePointer<nlmsgerr>) -> String? {
        // The error lies behind its own message header.
        let start = UnsafeMutableRawPointer(failure) - MemoryLayout<nlmsghdr>.size
        let header = start.loadUnaligned(as: nlmsghdr.self)
        // With NETLINK_CAP_ACK only the header of our request comes back before the attributes.
        guard Int32(header.nlmsg_flags) & NLM_F_ACK_TLVS != 0, Int32(header.nlmsg_flags) & NLM_F_CAPPED != 0 else {
            return nil
        }
        let offset = MemoryLayout<nlmsghdr>.size + MemoryLayout<nlmsgerr>.size
        let length = Int32(clamping: Int(header.nlmsg_len) - offset)
        var text: String?
        Attributes(first: (start + offset).assumingMemoryBound(to: nlattr.self), length: length).forEach { attribute in
            if attribute.type == Int(NLMSGERR_ATTR_MSG.rawValue) {
                text = attribute.string
            }
        }
        return text
    }
}
