// The one place that names what the configuration's vocabulary has and this release does not build.
//
// No option may parse and do nothing. So a key or a value that interface.md promises and that has no code behind it
// yet is refused here, with words that say so. Whoever builds it deletes its line, and nothing else has to change.

/// What the vocabulary of the configuration has and a release does not.
struct ReleaseLimits: Sendable {
    /// Keys that are refused wherever they stand below `ports[]`.
    var portKeys: Set<String>
    /// Values that are refused, by their key below `ports[]`.
    var portValues: [String: Set<String>]

    /// What this release does not build.
    static let current = ReleaseLimits(
        portKeys: [], portValues: [:])

    /// The whole vocabulary; tests use it to try what comes with later releases.
    static let none = ReleaseLimits(portKeys: [], portValues: [:])
}
