// A YAML document as a tree that remembers where everything stood.

/// A node of a YAML document.
struct YAMLNode {
    /// What a node holds.
    indirect enum Content {
        /// A scalar; `isPlain` tells whether it stood there without quotes, so that `true` differs from `"true"`.
        case scalar(String, isPlain: Bool)
        /// A list.
        case sequence([YAMLNode])
        /// A mapping, in the order of the file; no key occurs twice.
        case mapping([YAMLEntry])
        /// Something that was refused while reading; whoever meets it has nothing to add.
        case refused
    }

    /// What the node holds.
    var content: Content
    /// The line on which it begins, counted from 1.
    var line: Int
    /// The column at which it begins, counted from 1.
    var column: Int
}

/// One key of a mapping with its value.
struct YAMLEntry {
    /// The key.
    var key: String
    /// The line of the key, counted from 1.
    var line: Int
    /// The column of the key, counted from 1.
    var column: Int
    /// The value.
    var value: YAMLNode
}
