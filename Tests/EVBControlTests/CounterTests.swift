import Testing

@testable import EVBModel

@Suite struct CounterTests {
    @Test("each counter has a row in the table, and the objects of MIBs are named as there")
    func table() {
        for counter in Counter.allCases {
            #expect(counter.help != counter.rawValue, "\(counter.rawValue) has no row")
        }
        let objects = Counter.allCases.compactMap(\.mibObject)
        #expect(Set(objects).count == objects.count, "one object, one counter")
        // The promise of interface.md: names of the EVB MIB are those of its objects.
        for counter in Counter.allCases {
            guard let object = counter.mibObject, object.hasPrefix("ieee8021BridgeEvb") else { continue }
            #expect(object == "ieee8021BridgeEvb\(counter.rawValue)")
        }
    }

    @Test("values beyond what JSON's integers hold are shown as the largest one")
    func large() {
        let report = StatisticsReport(interface: nil, [.logLinesLost: .max], counterDiscontinuity: 0)
        #expect(report.counters == ["LogLinesLost": .max])
    }
}
