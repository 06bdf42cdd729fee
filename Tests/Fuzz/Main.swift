// libFuzzer's two entry points. Which target runs is told by the name that the program is called by; `run` makes the links.

import Glibc
import TerminalText

/// What is fed with octets of libFuzzer's making.
struct Target: Sendable {
    let name: String
    /// The rows of the conformance matrix that it shows, and what it does; `Tests/conformance` reads it.
    let purpose: String
    let run: @Sendable ([UInt8]) -> Void

    init(_ name: String, _ purpose: String, _ run: @escaping @Sendable ([UInt8]) -> Void) {
        self.name = name
        self.purpose = purpose
        self.run = run
    }
}

/// libFuzzer calls from one thread, and sets this before it begins.
nonisolated(unsafe) private var chosen = targets[0]

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
    let program = arguments.pointee[0].map { String(cString: $0) } ?? ""
    let name = program.split(separator: "/").last.map(String.init) ?? ""
    guard let target = targets.first(where: { $0.name == name }) else {
        fatalError("there is no target \(name)")
    }
    chosen = target
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    chosen.run([UInt8](UnsafeBufferPointer(start: start, count: count)))
    return 0
}

/// Ends the run with a message unless `condition` holds; `precondition` drops its message in optimized code.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if !condition { fatalError(message()) }
}

/// Decodes; encodes what came out and decodes that: it has to be the same value.
///
/// - Parameters:
///   - octets: the input. What cannot be decoded ends the matter.
///   - decode: gives a value, or throws.
///   - encode: gives the value's octets.
///   - look: does more with the value, such as printing what a log or evbctl would.
func roundTrip<Value: Equatable>(
    _ octets: [UInt8], _ decode: ([UInt8]) throws -> Value, _ encode: (Value) -> [UInt8],
    look: (Value) -> Void = { _ in }
) {
    let value: Value
    do {
        value = try decode(octets)
    } catch {
        require(!"\(error)".isEmpty, "an error without words")
        return
    }
    look(value)
    guard let again = try? decode(encode(value)) else { fatalError("cannot be decoded again: \(value)") }
    require(again == value, "decodes to another value: \(value) and \(again)")
}

/// Whether text of a peer's is safe on a terminal.
func requirePrintable(_ text: String, longest: Int) {
    require(text.utf8.count <= longest, "\(text.utf8.count) octets of text: \(text)")
    require(text.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "not printable: \(text.debugDescription)")
}
