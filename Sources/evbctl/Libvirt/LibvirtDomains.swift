// Which libvirt domain a VSI belongs to. evbctl asks libvirt where it runs, by virsh; evbd never does.

internal import EVBModel
internal import Glibc
internal import LinuxSystem

/// The names of domains by what their interfaces and VSIs have in common: the instance ID of a port profile, or a MAC address.
struct LibvirtDomains: Equatable {
    private var byInstance: [String: String] = [:]
    private var byAddress: [String: String] = [:]

    /// How long one virsh may take.
    private static let seconds = 10
    /// Domains that one virsh is asked for: their IDs make up a command of 46 octets each, and an argument has at most 128 KiB.
    private static let domainsPerCall = 1000

    /// Asks libvirt for all domains, also those that do not run: theirs are the VSIs that were left behind.
    ///
    /// - Throws: why virsh said nothing.
    static func ask() throws(ChildFailure) -> LibvirtDomains {
        // Read-only, which needs no permission as a rule. virsh itself reads LIBVIRT_DEFAULT_URI.
        let virsh = ["virsh", "-q", "-r"] + (getenv("LIBVIRT_DEFAULT_URI") == nil ? ["-c", "qemu:///system"] : [])
        let list = try ChildProcess.output(of: virsh + ["list", "--all", "--uuid"], seconds: seconds)
        let ids = list.split(whereSeparator: \.isWhitespace).map(String.init).filter(isUUID)
        var domains = LibvirtDomains()
        var rest = ids[...]
        while !rest.isEmpty {
            let commands = rest.prefix(domainsPerCall).map { "dumpxml \($0)" }.joined(separator: "; ")
            rest = rest.dropFirst(domainsPerCall)
            domains.read(try ChildProcess.output(of: virsh + [commands], seconds: seconds))
        }
        return domains
    }

    /// The domain of a VSI; nil if none is known.
    func name(of vsi: VSIStatus) -> String? {
        byInstance[vsi.vsiID.lowercased()] ?? vsi.filters.lazy.compactMap { $0.mac.flatMap { byAddress[$0] } }.first
    }

    /// Only what may stand in a command of virsh.
    private static func isUUID(_ text: String) -> Bool {
        text.utf8.count == 36 && text.utf8.allSatisfy { $0 == 0x2D || Character(Unicode.Scalar($0)).isHexDigit }
    }

    /// Reads domains as `virsh dumpxml` writes them: one element a line, two spaces a level. What a person may write
    /// (metadata, descriptions) stands at other levels, or between other tags.
    mutating func read(_ text: String) {
        var domain: String?
        var (isInDevices, isInInterface) = (false, false)
        for line in text.split(separator: "\n") {
            switch line {
            case _ where line.hasPrefix("<domain "): (domain, isInDevices, isInInterface) = (nil, false, false)
            case _ where line.hasPrefix("  <name>") && domain == nil && !isInDevices:
                domain = Self.unescaped(line.dropFirst(8).prefix { $0 != "<" })
            case "  <devices>": isInDevices = true
            case "  </devices>": isInDevices = false
            case "    </interface>": isInInterface = false
            case _ where isInDevices && line.hasPrefix("    <interface "): isInInterface = true
            case _ where isInInterface:
                if let address = Self.value(of: "address", in: line, after: "      <mac ") {
                    byAddress[address.lowercased()] = domain
                }
                if let instance = Self.value(of: "instanceid", in: line, after: "        <parameters ") {
                    byInstance[instance.lowercased()] = domain
                }
            default: break
            }
        }
    }

    /// The value of an attribute of an element that a line begins with.
    private static func value(of attribute: String, in line: Substring, after element: String) -> String? {
        guard line.hasPrefix(element) else { return nil }
        let mark = " \(attribute)='"
        var rest = line.dropFirst(element.count - 1)
        while !rest.isEmpty {
            if rest.hasPrefix(mark) { return unescaped(rest.dropFirst(mark.count).prefix { $0 != "'" }) }
            rest = rest.dropFirst()
        }
        return nil
    }

    private static func unescaped(_ text: Substring) -> String {
        var result = ""
        var rest = text
        let entities = ["&lt;": "<", "&gt;": ">", "&quot;": "\"", "&apos;": "'", "&amp;": "&"]
        while let first = rest.first {
            if first == "&", let (entity, character) = entities.first(where: { rest.hasPrefix($0.key) }) {
                result += character
                rest = rest.dropFirst(entity.count)
            } else {
                result.append(first)
                rest = rest.dropFirst()
            }
        }
        return result
    }
}
