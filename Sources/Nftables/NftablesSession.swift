// The Swift face of libnftables: commands in the language of nft go in, as one transaction.

internal import CLinux
internal import CNftables

/// A transaction that nftables did not take; nothing of it is in force.
public struct NftablesError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The first line of what nftables says.
    public let description: String

    /// An error in its own words.
    public init(description: String) { self.description = description }
}

/// Owns a context of libnftables. For one thread; needs CAP_NET_ADMIN.
public final class NftablesSession {
    private let context: OpaquePointer
    /// For each transaction nftables takes two megabytes, and uses a few pages of them. glibc, once it has got that much back,
    /// takes it from its heap from then on and leaves up to twice as much there: by and by that is memory in use.
    private static let largeBlocksGoBackToTheKernel = mallopt(M_MMAP_THRESHOLD, 128 * 1024)

    /// Makes a context; nothing is asked of the kernel yet.
    ///
    /// - Throws: `NftablesError` when memory is short.
    public init() throws(NftablesError) {
        _ = Self.largeBlocksGoBackToTheKernel
        guard let context = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)), nft_ctx_buffer_output(context) == 0,
            nft_ctx_buffer_error(context) == 0
        else { throw NftablesError(description: "nftables cannot be used: out of memory") }
        self.context = context
    }

    deinit { nft_ctx_free(context) }

    /// Carries out commands, all of them or none.
    ///
    /// - Parameter commands: The commands in nft's language, a line each.
    /// - Throws: `NftablesError`; the kernel has what it had before then.
    public func run(_ commands: String) throws(NftablesError) {
        nft_ctx_output_set_flags(context, 0)
        try perform(commands)
    }

    /// Carries out commands, all of them or none.
    ///
    /// - Parameter commands: The commands in nft's JSON schema (libnftables-json(5)), which can say what nft's language
    ///   cannot: names with a quotation mark.
    /// - Throws: `NftablesError`; the kernel has what it had before then.
    public func run(json commands: String) throws(NftablesError) {
        nft_ctx_output_set_flags(context, UInt32(NFT_CTX_OUTPUT_JSON))
        try perform(commands)
    }

    /// Carries out a command that lists something.
    ///
    /// - Returns: What it lists, as JSON in nft's schema (libnftables-json(5)).
    /// - Throws: `NftablesError`, also where the object is not there.
    public func list(_ command: String) throws(NftablesError) -> String {
        nft_ctx_output_set_flags(context, UInt32(NFT_CTX_OUTPUT_JSON))
        try perform(command)
        return nft_ctx_get_output_buffer(context).map { String(cString: $0) } ?? ""
    }

    private func perform(_ commands: String) throws(NftablesError) {
        guard nft_run_cmd_from_buffer(context, commands) != 0 else { return }
        let words = nft_ctx_get_error_buffer(context).map { String(cString: $0) } ?? ""
        let first = words.split(separator: "\n").first.map(String.init) ?? "nftables failed without a reason"
        throw NftablesError(description: first)
    }
}
