internal import LinuxSystem

/// What evbd has to remember of hairpin flags that it has changed, so that after a crash it takes back its own and nothing else.
///
/// A small file per port in the runtime directory, written before the flag is changed and removed after it is as it was.
struct HairpinNotes {
    /// Which flag was changed, and what it was.
    struct Note: Equatable {
        /// The port, as long as it is in that bridge: out of it, its flag is gone.
        var portIndex: Int32
        var bridgeIndex: Int32
        /// Whether the flag was set before, by somebody else.
        var wasOn: Bool
    }

    /// Octets of the longest note.
    private static let lengthMax = 64
    /// The most notes that are looked at; a host has fewer interfaces.
    private static let notesMax = 65_536

    private let directory: String

    /// Keeps notes below a directory, which is there.
    init(runtimeDirectory: String) {
        directory = "\(runtimeDirectory)/hairpin"
    }

    /// The ports of which there are notes.
    var ports: [String] { (try? Files.list(directory, limit: Self.notesMax)) ?? [] }

    /// The note of a port. One that cannot be read counts as none: nothing is changed for it.
    func read(_ port: String) -> Note? {
        guard let octets = try? Files.read(path(port), limit: Self.lengthMax) else { return nil }
        let words = String(decoding: octets, as: UTF8.self).split { $0 == " " || $0 == "\n" }
        guard words.count == 3, let portIndex = Int32(words[0]), let bridgeIndex = Int32(words[1]),
            words[2] == "on" || words[2] == "off"
        else { return nil }
        return Note(portIndex: portIndex, bridgeIndex: bridgeIndex, wasOn: words[2] == "on")
    }

    /// Keeps the note of a port.
    ///
    /// - Throws: `SystemError`.
    func write(_ port: String, _ note: Note) throws(SystemError) {
        try Files.makeDirectory(directory, mode: 0o755)
        let text = "\(note.portIndex) \(note.bridgeIndex) \(note.wasOn ? "on" : "off")\n"
        try Files.writeAtomically(path(port), Array(text.utf8), mode: 0o644)
    }

    /// Forgets a port.
    func remove(_ port: String) {
        _ = try? Files.unlink(path(port))
    }

    private func path(_ port: String) -> String { "\(directory)/\(port)" }
}
