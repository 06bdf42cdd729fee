import AgentX
import EVBTime
import Testing

@testable import EVBMIB

@Suite struct ObjectTreeTests {
    /// Two tables, one of them between columns of the other, with rows in no order, twice, and with holes.
    private static let tree: ObjectTree = {
        var scalars = ObjectTree.Table([1, 3], columns: [1, 7])
        scalars.add([0], [.integer(1), .integer(7)])
        var table = ObjectTree.Table([1, 3, 5, 1], columns: [2, 3])
        table.add([2, 1], [.gauge32(21), nil])
        table.add([1, 9], [nil, .gauge32(190)])
        table.add([1], [.gauge32(1), .gauge32(10)])
        table.add([1], [.gauge32(99), .gauge32(99)])
        return ObjectTree([scalars, table])
    }()
    /// All objects, by the names that they have.
    private static let all: [VarBind] = [
        VarBind([1, 3, 1, 0], .integer(1)), VarBind([1, 3, 5, 1, 2, 1], .gauge32(1)),
        VarBind([1, 3, 5, 1, 2, 2, 1], .gauge32(21)), VarBind([1, 3, 5, 1, 3, 1], .gauge32(10)),
        VarBind([1, 3, 5, 1, 3, 1, 9], .gauge32(190)), VarBind([1, 3, 7, 0], .integer(7)),
    ]

    @Test("OPS-706 a walk meets each object once, in the order of the names, over the ends of columns and tables")
    func walk() {
        var met: [VarBind] = []
        var place: ObjectID = [1]
        while let binding = Self.tree.first(in: SearchRange(place)), met.count < 100 {
            met.append(binding)
            place = binding.name
        }
        #expect(met == Self.all)
        #expect(Self.tree.count == Self.all.count)
    }

    @Test("OPS-706 from any name on, inclusive or not, up to any bound, the first object is that of the list")
    func ranges() {
        var names = Set(Self.all.map(\.name))
        for binding in Self.all {
            for length in 0...binding.name.parts.count {
                let start = ObjectID(Array(binding.name.parts.prefix(length)))
                names.formUnion([start, start.appending([0]), start.appending([.max])])
                if let last = start.parts.last {
                    names.insert(ObjectID(start.parts.dropLast() + [last + 1]))
                    names.insert(ObjectID(start.parts.dropLast() + [last - min(last, 1)]))
                }
            }
        }
        for start in names {
            for includesStart in [false, true] {
                for end in Array(names.map { Optional($0) }) + [nil] {
                    let expected = Self.all.first { binding in
                        (includesStart ? binding.name >= start : binding.name > start)
                            && (end.map { binding.name < $0 } ?? true)
                    }
                    let range = SearchRange(start, includesStart: includesStart, end: end)
                    #expect(Self.tree.first(in: range) == expected, "\(range)")
                }
            }
            let known = Self.all.first { $0.name == start }?.value
            let isInColumn = [[1, 3, 1], [1, 3, 7], [1, 3, 5, 1, 2], [1, 3, 5, 1, 3]].contains {
                start.parts.starts(with: $0)
            }
            #expect(Self.tree.value(of: start) == known ?? (isInColumn ? .noSuchInstance : .noSuchObject), "\(start)")
        }
    }

    @Test("OPS-707 old objects serve for a while, and then there are none")
    func age() {
        func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: 0) + .seconds(seconds) }
        var snapshot = Snapshot(maxAge: .seconds(60))
        #expect(snapshot.objects(at: at(1)).count == 0)
        snapshot.replace(with: Self.tree, at: at(10))
        #expect(snapshot.objects(at: at(70)).count == Self.all.count)
        #expect(snapshot.objects(at: at(71)).count == 0)
        snapshot.replace(with: Self.tree, at: at(72))
        #expect(snapshot.objects(at: at(73)).count == Self.all.count)
    }
}
