// The Swift face of libnftables: commands in the language of nft go in, as one transaction.

internal import CNftables
internal import Glibc
internal import LinuxSystem
internal import Synchronization

/// A transaction that nftables did not take; nothing of it is in force.
public struct NftablesError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The first line of what nftables says.
    public let description: String

    /// An error in its own words.
    public init(description: String) { self.description = description }
}

/// Has libnftables carry out commands. For one thread; needs CAP_NET_ADMIN.
///
/// Between two commands it keeps little: a context has 0.7 MB of tables, with hardly anything in them, and takes 25 us to make.
public final class NftablesSession {
    /// Whether a former context is being closed.
    final class Closing: Sendable {
        let isUnderWay = Atomic(false)
    }

    private var context: OpaquePointer?
    let closing = Closing()

    /// Makes a context; nothing is asked of the kernel yet.
    ///
    /// - Throws: `NftablesError` when memory is short.
    public init() throws(NftablesError) { _ = try open() }

    deinit { if let context { nft_ctx_free(context) } }

    /// Carries out commands, all of them or none.
    ///
    /// - Parameter commands: The commands in nft's language, a line each.
    /// - Throws: `NftablesError`; the kernel has what it had before then.
    public func run(_ commands: String) throws(NftablesError) {
        _ = try perform(commands, flags: 0)
    }

    /// Carries out commands, all of them or none.
    ///
    /// - Parameter commands: The commands in nft's JSON schema (libnftables-json(5)), which can say what nft's language
    ///   cannot: names with a quotation mark.
    /// - Throws: `NftablesError`; the kernel has what it had before then.
    public func run(json commands: String) throws(NftablesError) {
        _ = try perform(commands, flags: NFT_CTX_OUTPUT_JSON)
    }

    /// Carries out a command that lists something.
    ///
    /// - Returns: What it lists, as JSON in nft's schema (libnftables-json(5)).
    /// - Throws: `NftablesError`, also where the object is not there.
    public func list(_ command: String) throws(NftablesError) -> String {
        try perform(command, flags: NFT_CTX_OUTPUT_JSON)
    }

    /// Whether it keeps a context, for tests.
    var keepsContext: Bool { context != nil }

    private func open() throws(NftablesError) -> OpaquePointer {
        if let context { return context }
        guard let opened = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else { throw Self.outOfMemory }
        guard nft_ctx_buffer_output(opened) == 0, nft_ctx_buffer_error(opened) == 0 else {
            nft_ctx_free(opened)
            throw Self.outOfMemory
        }
        context = opened
        return opened
    }

    private static let outOfMemory = NftablesError(description: "nftables cannot be used: out of memory")

    /// Carries out commands, and gives what they print.
    private func perform(_ commands: String, flags: Int) throws(NftablesError) -> String {
        let context = try open()
        defer { rest() }
        nft_ctx_output_set_flags(context, UInt32(flags))
        guard nft_run_cmd_from_buffer(context, commands) != 0 else {
            return nft_ctx_get_output_buffer(context).map { String(cString: $0) } ?? ""
        }
        let words = nft_ctx_get_error_buffer(context).map { String(cString: $0) } ?? ""
        let first = words.split(separator: "\n").first.map(String.init) ?? "nftables failed without a reason"
        throw NftablesError(description: first)
    }

    /// Gives back what is of no use until the next command.
    ///
    /// Linux lets the close of a context's socket wait until rules that anyone has removed are freed, so a thread of its own closes it.
    /// There is one at most: where it waits, the context stays for the next command, without what it has read.
    private func rest() {
        guard let context else { return }
        guard
            closing.isUnderWay.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing)
                .exchanged
        else { return forget(context) }
        let address = UInt(bitPattern: context)
        let closes = try? Threads.start { [closing] in
            nft_ctx_free(OpaquePointer(bitPattern: address))
            closing.isUnderWay.store(false, ordering: .releasing)
        }
        guard let closes else {
            closing.isUnderWay.store(false, ordering: .releasing)
            return forget(context)
        }
        pthread_detach(closes)
        self.context = nil
    }

    /// Has libnftables forget the tables that it has read for a command. It keeps them until the next, which reads them again where
    /// they have changed: 0.5 MB for each table, because each has four of 8,192 lists. Only another command makes it forget, so this
    /// one looks for a table that is never there.
    private func forget(_ context: OpaquePointer) {
        _ = nft_run_cmd_from_buffer(context, "list table netdev evbd-has-no-such-table")
        // What it says of that is not to be the next command's: words are added to those that were not fetched.
        _ = nft_ctx_get_error_buffer(context)
    }
}
