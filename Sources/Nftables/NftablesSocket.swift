// Gives transactions to the kernel and hears what becomes of them.

internal import CLinux
internal import Glibc
public import LinuxSystem

/// Makes changes of nftables without reading anything back. For one thread; needs CAP_NET_ADMIN.
///
/// Opened by the first change, or ahead of it, in the network namespace of the thread.
public final class NftablesSocket {
    /// Why changes are not known to be made.
    public enum Failure: Error, Sendable, Equatable {
        /// The kernel refuses them, with the first reason as a number of errno(3). It has what it had.
        case refused(Int32)
        /// No answer, or not all of it. The changes may be made.
        case unknown(SystemError)
    }

    /// How long the kernel's answer may take, in seconds. It is there when the kernel has taken the changes.
    private static let patience = 2
    /// Octets of one transaction; a greater one is refused (EMSGSIZE).
    private static let sendBufferLength: Int32 = 4 << 20
    private static let bufferLength = 32 << 10
    /// SOL_NETLINK and NETLINK_CAP_ACK: a refusal does not repeat what is refused.
    private static let (netlinkLevel, briefRefusals): (Int32, Int32) = (270, 10)

    private var descriptor: FileDescriptor?
    private var sequence: UInt32 = 1
    private let buffer = ReceiveBuffer(length: bufferLength)

    public init() {}

    /// Opens the socket where it is not open, so that it does not come with some later change. A failure is left to that one.
    public func openAhead() { _ = try? open() }

    // Linux lets the close of such a socket wait until rules that anyone has removed are freed.
    deinit { descriptor.take()?.closeApart() }

    /// Carries changes out in their order, all of them or none.
    ///
    /// - Throws: `Failure`.
    public func commit(_ changes: [TableChanges]) throws(Failure) {
        let batch = TableBatch(changes, first: sequence)
        sequence = batch.next
        guard !batch.isEmpty else { return }
        let refusal: Int32?
        do throws(SystemError) {
            refusal = try exchange(batch)
        } catch {
            // What is still to come of this answer, or was lost of it, is not to be in the way of the next one.
            descriptor.take()?.closeApart()
            throw .unknown(error)
        }
        if let refusal { throw .refused(refusal) }
    }

    private func exchange(_ batch: TableBatch) throws(SystemError) -> Int32? {
        let number = try open()
        let octets = batch.octets
        try systemCall("send NETLINK_NETFILTER") { send(number, octets, octets.count, 0) }
        var answer = BatchAnswer(first: batch.first, last: batch.last)
        var isWhole = false
        while !isWhole {
            let count = try systemCall("recv NETLINK_NETFILTER") {
                recv(number, buffer.octets.baseAddress, buffer.octets.count, 0)
            }
            isWhole = answer.take([UInt8](buffer.octets[..<count])[...])
        }
        return answer.refusal
    }

    private func open() throws(SystemError) -> Int32 {
        if let number = descriptor?.rawValue { return number }
        let opened = try FileDescriptor.netfilter(patience: Self.patience)
        let number = opened.rawValue
        descriptor = consume opened
        let length = socklen_t(MemoryLayout<Int32>.size)
        var (one, room): (Int32, Int32) = (1, Self.sendBufferLength)
        // Without either of these long changes, or those with many refusals, go another way.
        setsockopt(number, Self.netlinkLevel, Self.briefRefusals, &one, length)
        setsockopt(number, SOL_SOCKET, SO_SNDBUFFORCE, &room, length)
        return number
    }
}
