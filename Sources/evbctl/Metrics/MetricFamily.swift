// One table of all that `evbctl metrics` prints: Documentation/metrics.md has the same, and a test compares them.

internal import EVBModel

/// Numbers of one name, which differ in their labels.
struct MetricFamily: Equatable {
    /// How the numbers are to be read.
    enum Kind: String {
        case counter, gauge, histogram, info
    }

    /// Without `_total`, `_info` and the like, which samples have.
    var name: String
    var kind: Kind
    /// The unit in which the name ends; nil for a number of something else.
    var unit: String?
    var help: String
    var labels: [String]

    /// The name of the samples, those of a histogram excepted.
    var sampleName: String {
        switch kind {
        case .counter: name + "_total"
        case .info: name + "_info"
        case .gauge, .histogram: name
        }
    }

    private init(_ name: String, _ kind: Kind, _ help: String, unit: String? = nil, labels: [String] = []) {
        self.name = name
        self.kind = kind
        self.unit = unit
        self.help = help
        self.labels = labels
    }

    private static let portLabels = ["port", "role"]
    private static let serverLabels = ["manager", "url"]
    private static let vsiLabels = portLabels + ["vsi"]

    // MARK: The daemon

    static let build = MetricFamily("evbd_build", .info, "The version of evbd", labels: ["version"])
    static let problem = MetricFamily(
        "evbd_problem", .gauge, "Problems of a kind that there are now, on a port, or without one with the daemon",
        labels: ["port", "kind"])
    static let resident = MetricFamily(
        "process_resident_memory_bytes", .gauge, "Memory of evbd that is resident", unit: "bytes")
    static let virtual = MetricFamily(
        "process_virtual_memory_bytes", .gauge, "Memory that evbd has mapped", unit: "bytes")
    static let descriptors = MetricFamily("process_open_fds", .gauge, "Descriptors that evbd has open")
    static let descriptorsMax = MetricFamily("process_max_fds", .gauge, "Descriptors that evbd may have open")
    static let computed = MetricFamily(
        "process_cpu_seconds", .counter, "Time that all threads of evbd have computed", unit: "seconds")
    static let started = MetricFamily(
        "process_start_time_seconds", .gauge, "When evbd started, since 1970 in UTC", unit: "seconds")
    static let turn = MetricFamily(
        "evbd_loop_turn_seconds", .histogram, "How long a turn of the loop takes, in which nothing else is done",
        unit: "seconds")
    static let longestTurn = MetricFamily(
        "evbd_loop_longest_turn_seconds", .gauge, "The longest turn of the loop since evbd started", unit: "seconds")
    static let mostComputed = MetricFamily(
        "evbd_loop_most_computed_seconds", .gauge,
        "The most that the loop has computed in one turn; what its longest turn took beyond that, it waited for a processor",
        unit: "seconds")

    static let typesFetched = MetricFamily(
        "evbd_vsi_types_fetched_seconds", .gauge,
        "When the VSI types in force of a server were fetched, since 1970 in UTC", unit: "seconds", labels: serverLabels
    )
    static let typesAge = MetricFamily(
        "evbd_vsi_types_age_seconds", .gauge, "How long ago a server of VSI types last gave or confirmed them",
        unit: "seconds", labels: serverLabels)
    static let types = MetricFamily(
        "evbd_vsi_types", .gauge, "VSI types that are in force of a server, 0 where it has given none yet",
        labels: serverLabels)

    // MARK: Ports

    static let up = MetricFamily(
        "evbd_port_up", .gauge, "1 while the interface of the port is up and has a carrier, else 0", labels: portLabels)
    static let peer = MetricFamily(
        "evbd_port_peer", .gauge, "1 while an EVB peer is heard on the port, else 0", labels: portLabels)
    static let relayRequested = MetricFamily(
        "evbd_port_reflective_relay_requested", .gauge, "1 while the station asks for reflective relay, else 0",
        labels: portLabels)
    static let relayGranted = MetricFamily(
        "evbd_port_reflective_relay_granted", .gauge, "1 while the bridge grants reflective relay, else 0",
        labels: portLabels)
    static let vsis = MetricFamily("evbd_vsis", .gauge, "VSIs in a state", labels: portLabels + ["state"])
    static let association = MetricFamily(
        "evbd_association_seconds", .histogram,
        "From a request for an association to its grant: a station's by its manager, a bridge's by the station",
        unit: "seconds", labels: portLabels)
    static let roundTrip = MetricFamily(
        "evbd_ecp_round_trip_seconds", .histogram,
        "From the first sending of an ECPDU to its acknowledgement, however often it was sent again", unit: "seconds",
        labels: portLabels)

    static let droppedFrames = MetricFamily(
        "evbd_port_dropped_frames", .counter, "Frames that the rules of VSI types have dropped on the port",
        unit: "frames", labels: portLabels)
    static let droppedOctets = MetricFamily(
        "evbd_port_dropped_bytes", .counter, "Octets that the rules of VSI types have dropped on the port",
        unit: "bytes", labels: portLabels)

    // MARK: VSIs

    /// What is counted of a VSI's traffic.
    struct Traffic {
        var family: MetricFamily
        var direction: KeyPath<VSITraffic, TrafficCounts?>
        var count: KeyPath<TrafficCounts, Int?>

        fileprivate init(
            _ family: MetricFamily, _ direction: KeyPath<VSITraffic, TrafficCounts?>,
            _ count: KeyPath<TrafficCounts, Int?>
        ) {
            self.family = family
            self.direction = direction
            self.count = count
        }
    }

    static var traffic: [Traffic] {
        [("sent", "sent", \VSITraffic.sent), ("received", "was to receive", \VSITraffic.received)].flatMap {
            word, wish, direction in
            [
                Traffic(
                    MetricFamily(
                        "evbd_vsi_\(word)_frames", .counter, "Frames that the machine of a VSI has \(word) (--vsi)",
                        unit: "frames", labels: vsiLabels), direction, \.optionalFrames),
                Traffic(
                    MetricFamily(
                        "evbd_vsi_\(word)_bytes", .counter, "Octets that the machine of a VSI has \(word) (--vsi)",
                        unit: "bytes", labels: vsiLabels), direction, \.optionalOctets),
                Traffic(
                    MetricFamily(
                        "evbd_vsi_\(word)_dropped_frames", .counter,
                        "Frames that the machine of a VSI \(wish), and that were dropped (--vsi)", unit: "frames",
                        labels: vsiLabels), direction, \.drops),
            ]
        }
    }

    private static let fixed = [
        build, problem, up, peer, relayRequested, relayGranted, vsis, association, roundTrip, droppedFrames,
        droppedOctets, types, typesAge, typesFetched, turn, longestTurn, mostComputed, resident, virtual, descriptors,
        descriptorsMax, computed, started,
    ]

    /// All that there are, in the order in which they are printed.
    static let all = fixed + traffic.map(\.family) + Counter.allCases.map { MetricFamily($0) }

    // MARK: Counters

    /// What a counter is called: its name in the MIB in small letters, without "Count" at its end.
    init(_ counter: Counter) {
        var words = Self.words(counter.rawValue)
        if words.last == "count" {
            words.removeLast()
            let last = words.removeLast()
            words.append(last.hasSuffix("y") ? last.dropLast() + "ies" : last + "s")
        }
        let object = counter.mibObject.map { " (\($0))" } ?? ""
        let unit = counter.unit.rawValue
        self.init(
            "evbd_" + words.joined(separator: "_"), counter.unit == .state ? .gauge : .counter, counter.help + object,
            unit: words.last == unit ? unit : nil, labels: counter.scope == .daemon ? [] : Self.portLabels)
    }

    /// `VDPCommandReverts` has the words vdp, command and reverts.
    private static func words(_ name: String) -> [String] {
        var words: [String] = []
        let letters = Array(name)
        for (index, letter) in letters.enumerated() {
            let next = index + 1 < letters.count ? letters[index + 1] : "A"
            let isFirst = letter.isUppercase && (index == 0 || !letters[index - 1].isUppercase || !next.isUppercase)
            if isFirst { words.append("") }
            words[words.count - 1] += letter.lowercased()
        }
        return words
    }
}

extension TrafficCounts {
    fileprivate var optionalFrames: Int? { frames }
    fileprivate var optionalOctets: Int? { octets }
}
