// The options that associate and preassociate share, and what their texts mean.

internal import ArgumentParser
internal import EVBControl
internal import EVBModel
internal import TerminalText

/// How long to wait for the bridge.
struct WaitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How long to wait for the bridge, 0 to 3600 seconds (default: 30).", valueName: "seconds"))
    var wait: Int?

    @Flag(help: "Do not wait for the bridge: done when evbd has taken the request.")
    var noWait = false

    func validate() throws {
        guard wait == nil || !noWait else { throw ValidationError("give --wait or --no-wait, not both") }
        if let wait, !(0...3600).contains(wait) {
            throw ValidationError("--wait \(wait) is out of range; give 0 to 3600 seconds")
        }
    }

    var milliseconds: Int { noWait ? 0 : (wait ?? 30) * 1000 }

    /// How long to wait for evbd, which waits for the bridge in its turn.
    var timeoutMilliseconds: Int { milliseconds + GlobalOptions.answerMilliseconds }
}

/// What a VSI is to be.
struct VSIOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "The VSI: a UUID, or a text after ipv4:, ipv6:, mac: or local:. One that is known may be given by its link, a MAC "
                + "address, its label or the first digits of its UUID.",
            valueName: "vsi"),
        completion: LiveCompletion.vsiNames.kind, transform: VSINames.checked)
    var vsi: String

    @Option(help: ArgumentHelp("The port that it is on.", valueName: "iface"), completion: LiveCompletion.ports.kind)
    var port: String

    @Option(help: ArgumentHelp("The VSI manager that knows its type (default: the bridge's own).", valueName: "id"))
    var manager: String?

    @Option(
        help: ArgumentHelp("The VSI type (VTID), 0 to 16777215 or 0x0 to 0xffffff.", valueName: "id"),
        transform: parseType)
    var type: Int

    @Option(help: ArgumentHelp("The version of the type, 0 to 255.", valueName: "n"))
    var typeVersion = 0

    @Option(
        help: ArgumentHelp(
            "Frames that belong to it: mac=MAC, vlan=0-4094 (0: the bridge gives the VID), pcp=0-7, group=0-4294967295, "
                + "with commas between; give it again for more.",
            valueName: "mac=..,vlan=..,pcp=..,group=.."),
        transform: parseFilter)
    var filter: [VSIFilter] = []

    @Flag(help: "The machine is migrating to this host (M bit).")
    var migrating = false

    @Flag(help: "The machine is suspended on this host (S bit).")
    var suspended = false

    @Option(
        help: ArgumentHelp(
            "Send this organizationally specific TLV along: six hexadecimal digits of the OUI, a colon, and its octets; "
                + "give it again for more.",
            valueName: "oui:hex"),
        transform: parseOrganizational)
    var organizational: [VSIOrganizationalTLV] = []

    @Option(
        help: ArgumentHelp(
            "Create this link on the port for the machine once it is associated; where the port is in a Linux bridge, the "
                + "tap there that is the machine's. vf:3 is virtual function 3 of the port's card, which gets address, VLAN and "
                + "priority of the filter (default: the link with a MAC address of the filter, if a program makes one).",
            valueName: "name"),
        completion: LiveCompletion.links.kind)
    var link: String?

    @Option(help: "What kind of link (default: macvtap).")
    var linkKind: LinkKind?

    @Option(
        help: "In which mode, and no other (default: that of the port's edge relay, whatever it is at the time).")
    var linkMode: LinkMode?

    @Option(
        name: .customLong("link-mtu"),
        help: ArgumentHelp("The link's MTU, 68 to 65535 octets (default: that of the port).", valueName: "octets"))
    var linkMTU: Int?

    @Option(
        help: ArgumentHelp(
            "Whose frames a macvlan in mode source lets in; give it again for more.", valueName: "mac"))
    var linkSource: [String] = []

    @Flag(
        name: .customLong("link-allmulticast"), inversion: .prefixedNo,
        help: "Whether the link takes frames to all multicast groups (default: as the port's settings say).")
    var linkAllmulticast: Bool?

    @Option(
        help: ArgumentHelp(
            "A text by which people know the VSI, at most 64 characters; '' removes it (default: the one it has).",
            valueName: "text"))
    var label: String?

    @OptionGroup var wait: WaitOptions

    func validate() throws {
        if let label, !label.isEmpty, let problem = VSILabel.problem(with: label) {
            throw ValidationError("the label \(problem); \(VSILabel.rule)")
        }
        if let link, let problem = InterfaceName.problem(withLink: link) {
            throw ValidationError("--link \(link) is not an interface name: it \(problem); \(InterfaceName.rule)")
        }
        guard (0...255).contains(typeVersion) else {
            throw ValidationError("--type-version \(typeVersion) is out of range; give 0 to 255")
        }
        guard !(migrating && suspended) else {
            throw ValidationError("give --migrating (to here) or --suspended (here), not both")
        }
        guard link != nil || (linkKind == nil && linkMode == nil && linkMTU == nil) else {
            throw ValidationError("--link-kind, --link-mode and --link-mtu need --link")
        }
        guard link != nil || linkAllmulticast == nil else {
            throw ValidationError("--link-allmulticast needs --link")
        }
        guard linkMTU.map(VSIRequest.linkMTURange.contains) ?? true else {
            throw ValidationError("--link-mtu \(linkMTU ?? 0) is out of range; give 68 to 65535 octets")
        }
        guard linkMode != .source || (linkKind == .macvlan && !linkSource.isEmpty) else {
            throw ValidationError("--link-mode source needs --link-kind macvlan and --link-source")
        }
        guard linkMode == .source || linkSource.isEmpty else {
            throw ValidationError("--link-source needs --link-mode source")
        }
        guard linkSource.count <= VSIRequest.maximumSources else {
            let limit = VSIRequest.maximumSources
            throw ValidationError("\(linkSource.count) times --link-source is too often; give at most \(limit)")
        }
        if let text = linkSource.first(where: { !VSIFilter.isMAC($0) }) {
            throw ValidationError("\(text) is no MAC address; give one like 52:54:00:00:c7:3e")
        }
        let (limit, shape) = VSIRequest.maximumFilters(like: filter)
        guard filter.count <= limit else {
            throw ValidationError(
                "\(filter.count) times --filter is too often; give at most \(limit), which is what one TLV takes of filters "
                    + shape)
        }
        guard organizational.count <= VSIRequest.maximumOrganizational else {
            let limit = VSIRequest.maximumOrganizational
            throw ValidationError("\(organizational.count) times --organizational is too often; give at most \(limit)")
        }
    }

    /// The request for the VSI that ``vsi`` names.
    func request(_ vsiID: String, reserve: Bool) -> VSIRequest {
        VSIRequest(
            vsiID: vsiID, port: port, managerID: manager, typeID: type, typeVersion: typeVersion, filters: filter,
            migrating: migrating, suspended: suspended, organizational: organizational,
            link: link.map { VSILink(name: $0, kind: linkKind, mode: linkMode) }, linkMTU: linkMTU,
            linkSources: linkSource.map { $0.lowercased() }, linkAllmulticast: linkAllmulticast, label: label,
            reserve: reserve, waitMilliseconds: wait.milliseconds)
    }
}

extension VSIOptions {
    /// Asks for the VSI, and shows what has become of it.
    func ask(_ method: ControlMethod, reserve: Bool, _ global: GlobalOptions) throws {
        try global.withClient { client throws(ControlClientError) in
            let vsi = try client.select(vsi, port: port, timeoutMilliseconds: GlobalOptions.answerMilliseconds)
            let answer = try client.call(
                method, request(vsi.vsiID, reserve: reserve), timeoutMilliseconds: wait.timeoutMilliseconds
            ) {
                let name = printable(vsi.vsiID)
                Interrupt.says(
                    "\nevbctl: no longer waiting; VSI \(name) stays wanted, and evbd goes on asking the bridge for it\n"
                        + "  evbctl vsi show \(name) tells how far that is; evbctl vsi deassociate \(name) takes it back\n"
                )
            }
            Interrupt.isDefault()
            try global.show(answer, "vsi", as: VSIStatus.self) { $0.outcome($1) }
        }
    }
}

/// Reads a VSI type: 24 bits, decimal or after `0x` hexadecimal.
func parseType(_ text: String) throws -> Int {
    let lowered = text.lowercased()
    let value = lowered.hasPrefix("0x") ? Int(lowered.dropFirst(2), radix: 16) : Int(text)
    guard let value, (0...0xFF_FFFF).contains(value), !lowered.contains("+") else {
        throw ValidationError("\(text) is no VSI type; give 0 to 16777215, or 0x0 to 0xffffff")
    }
    return value
}

/// Reads an organizationally specific TLV: `00000c:f105...`.
func parseOrganizational(_ text: String) throws -> VSIOrganizationalTLV {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let tlv = VSIOrganizationalTLV(oui: String(parts[0]), data: parts.count == 2 ? String(parts[1]) : "")
    guard parts.count == 2, tlv.ouiOctets?.count == 3, let octets = tlv.dataOctets else {
        throw ValidationError("\(text) is no organizationally specific TLV; give one like 00000c:f105")
    }
    guard octets.count <= VSIOrganizationalTLV.maximumOctets else {
        throw ValidationError("a TLV has at most \(VSIOrganizationalTLV.maximumOctets) octets after its OUI")
    }
    return tlv
}

/// Reads a filter entry: `mac=..,vlan=..,pcp=..,group=..`, each at most once and at least one of mac, vlan and group.
func parseFilter(_ text: String) throws -> VSIFilter {
    var filter = VSIFilter()
    var seen: Set<Substring> = []
    func number(_ value: Substring, _ range: ClosedRange<Int>, _ key: Substring) throws -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw ValidationError("\(key)=\(value) is out of range; give \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
        let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard pair.count == 2, !pair[1].isEmpty else {
            throw ValidationError("\"\(part)\" is no part of a filter; give key=value, with commas between")
        }
        guard seen.insert(pair[0]).inserted else { throw ValidationError("\(pair[0]) is given twice in a filter") }
        switch pair[0] {
        case "mac":
            guard VSIFilter.isMAC(String(pair[1])) else {
                throw ValidationError("mac=\(pair[1]) is no MAC address; give one like 52:54:00:00:c7:3e")
            }
            filter.mac = pair[1].lowercased()
        case "vlan": filter.vlan = try number(pair[1], 0...4094, pair[0])
        case "pcp": filter.pcp = try number(pair[1], 0...7, pair[0])
        case "group": filter.group = try number(pair[1], 0...0xFFFF_FFFF, pair[0])
        default: throw ValidationError("\"\(pair[0])\" is no key of a filter; known are mac, vlan, pcp and group")
        }
    }
    guard filter.vlan != nil || filter.pcp == nil else {
        throw ValidationError("pcp is the priority on a VLAN; give vlan=0 to have the bridge choose one")
    }
    return filter
}
