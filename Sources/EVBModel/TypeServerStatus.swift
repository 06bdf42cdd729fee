public import JSON

/// A server of VSI types, and how old what it gave is.
public struct TypeServerStatus: Codable, Sendable, Equatable {
    /// The manager for which it speaks; nil where it gives types of all.
    @Nullable public var managerID: String?
    public var url: String
    /// VSI types that hold for it; nil while there are none, for it has given none yet.
    @Nullable public var types: Int?
    /// When the types in force were fetched, in milliseconds since 1970.
    @Nullable public var fetchedMilliseconds: Int?
    /// How long ago the server last gave or confirmed them, in seconds.
    @Nullable public var ageSeconds: Int?
    /// When it is asked next, in milliseconds since 1970; nil where that is not known.
    @Nullable public var nextMilliseconds: Int?
    /// Why nothing newer has come, as a sentence without a stop; nil if all is well.
    @Nullable public var problem: String?
    /// What to do about it.
    @Nullable public var hint: String?

    public init(managerID: String?, url: String) {
        _managerID = Nullable(wrappedValue: managerID)
        self.url = url
        _types = Nullable(wrappedValue: nil)
        _fetchedMilliseconds = Nullable(wrappedValue: nil)
        _ageSeconds = Nullable(wrappedValue: nil)
        _nextMilliseconds = Nullable(wrappedValue: nil)
        _problem = Nullable(wrappedValue: nil)
        _hint = Nullable(wrappedValue: nil)
    }

    /// What an operator calls it.
    public var name: String { managerID.map { "manager \($0)" } ?? url }
}
